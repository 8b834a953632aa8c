"""The demo's pages in a real Chromium: one session in every frame of every window, until it ends in all of them.

The hub is the small one of `fake_hub`; the apps are the real programs.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Page, expect, sync_playwright

from tests.demo.fake_hub import FakeHub
from tests.demo.stage import stage

pytestmark = pytest.mark.browser

CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
END_SECONDS = 1.0
RIGHTMOST = "Math.max(...[...document.querySelectorAll('body *')].map(one => one.getBoundingClientRect().right))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the module; each test has its own profile."""
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        launched = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield launched
        launched.close()


@dataclass
class Windows:
    """A hub and one person's browser windows on it."""

    hub: FakeHub
    pages: list[Page] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def app(self, name: str, window: int = 0) -> FrameLocator:
        return self.pages[window].frame_locator(f"iframe[src='../{name}/']")


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    """The hub and the apps run once; each test starts another session on them."""
    with stage() as staged:
        yield staged


@contextmanager
def desk(browser: Browser, hub: FakeHub, *, windows: int = 1, **sections: object) -> Iterator[Windows]:
    """That many windows with the desk open and live; afterwards no page may have complained."""
    hub.start_again(sections)
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    opened = Windows(hub)

    def hear(said: ConsoleMessage) -> None:
        if said.type == "error":
            opened.complaints.append(said.text)

    for _ in range(windows):
        page = context.new_page()
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("console", hear)
        page.goto(f"{hub.public_url}/")
        opened.pages.append(page)
        for name in ("a", "b"):
            expect(opened.app(name, len(opened.pages) - 1).locator(".status[data-status=live]")).to_be_visible()
    yield opened
    context.close()
    assert opened.complaints == []


def test_a_name_typed_in_account_is_everywhere(browser: Browser, hub: FakeHub) -> None:
    """Shop's greeting, the document, the changes and the other window follow without a reload."""
    with desk(browser, hub, windows=2) as opened:
        opened.app("a").get_by_label("Display name").fill("Enchantress of Numbers")
        for window, page in enumerate(opened.pages):
            expect(opened.app("b", window).locator("h1")).to_have_text("Good to see you, Enchantress of Numbers")
            expect(opened.app("a", window).get_by_label("Display name")).to_have_value("Enchantress of Numbers")
            expect(page.locator("[data-document]")).to_contain_text('"name": "Enchantress of Numbers"')
            expect(page.locator("[data-document] .fresh").first).to_be_visible()
            expect(page.locator(".change").first).to_contain_text("profile.name")
            expect(page.locator("[data-position]")).to_have_text(opened.hub.position)
        expect(opened.app("a").locator("[data-field='profile.name'] .field-note")).to_have_text("Saved")


def test_looks_set_in_account_are_the_looks_of_every_page(browser: Browser, hub: FakeHub) -> None:
    """Theme, accent and language are values like others."""
    with desk(browser, hub) as opened:
        opened.app("a").get_by_text("Dark", exact=True).click()
        opened.app("a").get_by_text("Moss").click()
        opened.app("a").get_by_label("Language").select_option("de")
        for root in (opened.pages[0].locator("html"), opened.app("a").locator("html"), opened.app("b").locator("html")):
            expect(root).to_have_attribute("data-theme", "dark")
            expect(root).to_have_attribute("data-accent", "moss")
        expect(opened.app("b").locator("h1")).to_have_text("Schön, dass du da bist, Ada Lovelace")
        opened.app("a").get_by_role("button", name="Reset").click()
        expect(opened.app("b").locator("html")).to_have_attribute("data-theme", "system")
        expect(opened.app("a").locator("input[value=system]")).to_be_checked()


def test_the_cart_is_one_cart(browser: Browser, hub: FakeHub) -> None:
    """Adding in Shop counts in Account; a credit of the billing service is in the sum; an order empties it."""
    with desk(browser, hub) as opened:
        shop, account = opened.app("b"), opened.app("a")
        expect(shop.locator("[data-empty]")).to_be_visible()
        for _ in range(2):
            shop.get_by_role("button", name="Add Stoneware mug").click()
        expect(account.locator("[data-cart-count]")).to_have_text("2")
        opened.pages[0].get_by_role("button", name="Commit as the billing service").click()
        expect(shop.locator(".line-credit")).to_have_count(1)
        expect(opened.pages[0].locator(".change").first).to_contain_text("Billing service")
        credit = next(iter(opened.hub.document["cart"]["credits"].values()))["amount_cents"]
        expect(shop.locator("[data-total]")).to_have_text(f"€{(3600 - credit) / 100:.2f}")
        shop.get_by_role("button", name="One fewer").click()
        expect(account.locator("[data-cart-count]")).to_have_text("1")
        shop.get_by_role("button", name="Place order").click()
        expect(shop.locator("[data-ordered]")).to_be_visible()
        expect(shop.locator("[data-ordered]")).to_contain_text(opened.hub.document["cart"]["last_order"]["number"])
        expect(account.locator("[data-cart]")).to_be_hidden()


def test_what_the_hub_refuses_is_taken_back_and_said(browser: Browser, hub: FakeHub) -> None:
    """A value against the schema does not stay on the screen as if it were true."""
    with desk(browser, hub, profile={"name": "Ada"}) as opened:
        field_of_name = opened.app("a").get_by_label("Display name")
        field_of_name.evaluate("field => field.removeAttribute('maxlength')")
        field_of_name.fill("x" * 100)
        note = opened.app("a").locator("[data-field='profile.name']")
        expect(note).to_have_attribute("data-state", "refused")
        expect(field_of_name).to_have_value("Ada")
        expect(opened.app("b").locator("h1")).to_have_text("Good to see you, Ada")


def test_ending_the_session_empties_every_window(browser: Browser, hub: FakeHub) -> None:
    """Every window is at the signed-out page within a second, and Back brings no data."""
    with desk(browser, hub, windows=2, profile={"name": "Ada"}) as opened:
        opened.pages[0].get_by_role("button", name="End this session everywhere").click()
        for page in opened.pages:
            page.wait_for_url("**/auth/signed-out?reason=logged_out", timeout=END_SECONDS * 1000)
        for page in opened.pages:
            page.go_back(wait_until="commit")
            expect(page.locator("body")).not_to_contain_text("Ada")


def test_presence_counts_the_open_pages(browser: Browser, hub: FakeHub) -> None:
    """Two windows: two desks, two accounts, two shops; closing one is noticed."""
    with desk(browser, hub, windows=2) as opened:
        presence = opened.pages[0].locator("[data-presence]")
        expect(presence).to_have_text("Account2Desk2Shop2")
        opened.pages.pop().close()
        expect(presence).to_have_text("Account1Desk1Shop1")


def test_a_phone_shows_one_pane_at_a_time(browser: Browser, hub: FakeHub) -> None:
    """Nothing is wider than the screen, and what changes elsewhere is marked on its tab."""
    with desk(browser, hub) as opened:
        page = opened.pages[0]
        page.set_viewport_size({"width": 390, "height": 844})
        opened.app("a").get_by_label("About you").fill("she/her " * 30)
        expect(page.locator("[data-show=changes][data-news]")).to_be_visible()
        for name in ("a", "b", "document", "changes"):
            page.locator(f"[data-show={name}]").click()
            expect(page.locator(".pane:visible")).to_have_count(1)
            assert page.evaluate(RIGHTMOST) <= 390
        expect(page.locator("[data-news]")).to_have_count(0)
