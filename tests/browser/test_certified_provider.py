"""A certified provider and the hub, as people meet them: in real browsers, from log-in to log-out, and in an outage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect
from playwright.async_api import Error as PlaywrightError

from tests.support.answers import good
from tests.support.certified import World, type_password, world
from tests.support.demo import chromium
from tests.support.live_page import LivePage
from tests.support.nodes import Cluster, Node
from tests.support.tabs import as_service, merge
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

AT_ONCE_SECONDS = 1.0


@pytest.fixture(scope="module")
def app() -> Iterator[LivePage]:
    """An app whose page is live."""
    with LivePage() as started:
        yield started


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster) -> Iterator[World]:
    """A provider for this file."""
    with world(hub_cluster, 2) as made:
        yield made


@pytest.fixture(scope="module")
def nodes(place: World, app: LivePage) -> tuple[Node, Node]:
    """Two nodes; the provider calls the first."""
    settings = {"HUB_APPS__A__UPSTREAM": app.url, "HUB_HOME": "/apps/a/"}
    return place.node(**settings), place.node(**settings)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A Chromium, for as many people as there are contexts."""
    async with chromium() as started:
        yield started


async def sign_in(context: BrowserContext, node: Node, person: str = "ada") -> Page:
    """Open the app, be asked who one is by the provider, and come back to the app's live page."""
    page = await context.new_page()
    await page.goto(f"{node.url}/apps/a/")
    await type_password(page, person)
    await page.wait_for_url(f"{node.url}/apps/a/")
    await expect(page.locator("[data-status]")).to_have_text("live")
    return page


async def second_tab(context: BrowserContext, node: Node) -> Page:
    """Another live page of the same browser."""
    page = await context.new_page()
    await page.goto(f"{node.url}/apps/a/")
    await expect(page.locator("[data-status]")).to_have_text("live")
    return page


async def left(page: Page) -> float:
    """When this page is told that it is signed out."""
    await page.wait_for_url("**/auth/signed-out?reason=logged_out", wait_until="commit", timeout=10_000)
    return time.time()


async def test_a_log_in_brings_the_name_along(browser: Browser, nodes: tuple[Node, Node]) -> None:
    """From the app to the provider and back, with a session whose section ``identity`` holds what the provider said."""
    page = await sign_in(await browser.new_context(), nodes[0], "grace")
    await expect(page.locator("h1")).to_have_text("The private page of grace")
    await expect(page.locator("[data-document]")).to_contain_text('"name":"Grace Hopper"')
    await expect(page.locator("[data-document]")).to_contain_text('"email":"grace@example.com"')


async def test_signing_out_at_the_hub_signs_out_at_the_provider(browser: Browser, nodes: tuple[Node, Node]) -> None:
    """By way of the provider's page back to the hub's; the next log-in asks for the password again."""
    context = await browser.new_context()
    page = await sign_in(context, nodes[0])
    await page.goto(f"{nodes[0].url}/auth/signed-out")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading")).to_have_text("Sign out here?")
    assert "id_token_hint=" in page.url
    await page.get_by_role("button", name="Yes, sign me out").click()
    await page.wait_for_url(f"{nodes[0].url}/auth/signed-out")
    await expect(page.get_by_role("heading")).to_have_text("You are signed out")
    await page.get_by_role("link", name="Sign in again").click()
    await expect(page.get_by_label("Password")).to_be_visible()
    await type_password(page, "ada")
    await expect(page.locator("[data-status]")).to_have_text("live")


async def test_without_a_log_out_the_provider_does_not_ask_again(browser: Browser, nodes: tuple[Node, Node]) -> None:
    """Who only loses the hub's cookie is back without typing anything: what the test above sees is the log-out."""
    context = await browser.new_context()
    page = await sign_in(context, nodes[0])
    await context.clear_cookies(name="hub")
    await page.goto(f"{nodes[0].url}/apps/a/")
    await expect(page.locator("[data-status]")).to_have_text("live")


@pytest.mark.parametrize("names_session", [True, False], ids=["by sid", "by sub"])
async def test_signing_out_at_the_provider(
    names_session: bool, browser: Browser, place: World, nodes: tuple[Node, Node]
) -> None:
    """All tabs of that browser leave within a second. A user's other browser stays, if the provider names a session."""
    mine, theirs = await browser.new_context(), await browser.new_context()
    tabs = [await sign_in(mine, nodes[0]), await second_tab(mine, nodes[0])]
    other = await sign_in(theirs, nodes[1])
    place.provider.name_sessions(names_session)
    before = len(place.provider.calls())
    page = await mine.new_page()
    await page.goto(f"{place.provider.issuer}/session/end")
    leaving = [asyncio.create_task(left(tab)) for tab in [*tabs, *([] if names_session else [other])]]
    await page.get_by_role("button", name="Yes, sign me out").click(no_wait_after=True)
    gone = await asyncio.gather(*leaving)
    [call] = place.provider.calls()[before:]
    assert call["ok"], call
    assert max(gone) - call["at"] < AT_ONCE_SECONDS, [round(moment - call["at"], 3) for moment in gone]
    place.provider.name_sessions(True)
    if names_session:
        await other.reload()
        await expect(other.locator("[data-status]")).to_have_text("live")


async def test_the_next_log_in_after_a_rotation_works_at_once(
    browser: Browser, place: World, nodes: tuple[Node, Node]
) -> None:
    """The provider signs with a new key from one moment to the next; who is signed in notices nothing."""
    before = await sign_in(await browser.new_context(), nodes[0])
    place.provider.rotate()
    await sign_in(await browser.new_context(), nodes[0], "linus")
    place.provider.drop_old_keys()
    await before.reload()
    await expect(before.locator("[data-status]")).to_have_text("live")


async def test_a_provider_that_is_down_and_back(browser: Browser, place: World, nodes: tuple[Node, Node]) -> None:
    """Pages stay live and get changes; who wants to log in is told so by the hub, and gets in once it is back."""
    page = await sign_in(await browser.new_context(), nodes[0], "linus")
    place.provider.kill()
    try:
        await _change(nodes[0], "linus", "while it was down")
        await expect(page.locator("[data-document]")).to_contain_text("while it was down")
        newcomer = await (await browser.new_context()).new_page()

        async def is_told() -> bool:
            try:
                answer = await newcomer.goto(f"{nodes[0].url}/apps/a/")
            except PlaywrightError:  # led to the provider still, which answered two seconds ago
                return False
            return answer is not None and answer.status == 503 and "retry-after" in answer.headers

        await eventually(is_told)
        await expect(newcomer.get_by_role("heading")).to_have_text("Signing in does not work right now")
        await page.reload()
        await expect(page.locator("[data-status]")).to_have_text("live")
    finally:
        place.provider.start()

    async def is_asked() -> bool:
        await newcomer.get_by_role("link", name="Try again").or_(newcomer.get_by_label("Password")).wait_for()
        if await newcomer.get_by_label("Password").is_visible():
            return True
        await newcomer.get_by_role("link", name="Try again").click()
        return False

    await eventually(is_asked, 15)
    await type_password(newcomer, "grace")
    await expect(newcomer.locator("h1")).to_have_text("The private page of grace")


async def _change(node: Node, user: str, name: str) -> None:
    """A service changes the newest session of a user."""
    async with as_service(node) as billing:
        sid = good(await billing.get("/v1/sessions", params={"user": user}))["sessions"][-1]["sid"]
        good(await merge(billing, sid, {"profile": {"name": name}}))
