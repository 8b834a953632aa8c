"""The promise of the whole: one session, the same in every app and tab, gone from all of them at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.async_api import BrowserContext, Frame, FrameLocator, Page, expect

from tests.support.demo import Demo, chromium, demo, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

AT_ONCE_MS = 2000


@pytest.fixture(scope="module")
def running() -> Iterator[Demo]:
    """One demo for this file."""
    with demo() as started:
        yield started


def account(page: Page) -> FrameLocator:
    """App A on the desk."""
    return page.frame_locator("[data-pane=a] iframe")


def shop(page: Page) -> FrameLocator:
    """App B on the desk."""
    return page.frame_locator("[data-pane=b] iframe")


async def second_window(context: BrowserContext, demo: Demo) -> Page:
    """Another window of the same browser."""
    page = await context.new_page()
    await page.goto(f"{demo.url}/apps/desk/")
    await page.locator("[data-document] >> text=identity").wait_for()
    return page


async def left(page: Page) -> float:
    """When the page came to the signed-out page. (Its frames lead there too: whoever is first.)"""
    there: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def look(frame: Frame) -> None:
        if frame == page.main_frame and "/auth/signed-out" in frame.url and not there.done():
            there.set_result(time.monotonic())

    page.on("framenavigated", look)
    return await asyncio.wait_for(there, 10)


async def as_billing(demo: Demo, patch: dict[str, object]) -> None:
    """Commit to Ada's session as the billing service, over HTTP."""
    headers = {"Authorization": f"Bearer {demo.billing_key}"}
    async with httpx.AsyncClient(base_url=demo.url, headers=headers) as client:
        sid = (await client.get("/v1/sessions", params={"user": "ada"})).json()["sessions"][-1]["sid"]
        answer = await client.patch(
            f"/v1/sessions/{sid}/document", json=patch, headers={"Content-Type": "application/merge-patch+json"}
        )
    assert answer.status_code == 200, answer.text


async def test_a_change_in_one_app_shows_in_the_others_without_reload(running: Demo) -> None:
    """Name in A → B, the document and a second window; cart in B → A; a service's commit → all."""
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        desk = await sign_in(context, running.url)
        other = await second_window(context, running)
        loads: list[str] = []
        for page in (desk, other):
            page.on("framenavigated", lambda frame: loads.append(frame.url))

        await account(desk).locator("#name").fill("Countess")
        for page in (desk, other):
            await expect(shop(page).locator("[data-greeting]")).to_contain_text("Countess", timeout=AT_ONCE_MS)
            await expect(page.locator("[data-document]")).to_contain_text('"Countess"', timeout=AT_ONCE_MS)
            await expect(account(page).locator("#name")).to_have_value("Countess", timeout=AT_ONCE_MS)

        await shop(other).locator("[data-sku] [data-add]").first.click()
        for page in (desk, other):
            await expect(account(page).locator("[data-cart-count]")).to_have_text("1", timeout=AT_ONCE_MS)

        await as_billing(running, {"cart": {"credits": {"welcome": {"label": "Welcome", "amount_cents": 500}}}})
        for page in (desk, other):
            await expect(page.locator("[data-document]")).to_contain_text("Welcome", timeout=AT_ONCE_MS)
            await expect(shop(page).locator("[data-lines]")).to_contain_text("Welcome", timeout=AT_ONCE_MS)
            await expect(page.locator("[data-changes]")).to_contain_text("Billing service", timeout=AT_ONCE_MS)
        assert loads == [], "nothing was loaded again"


async def test_an_app_commits_with_its_own_context_token(running: Demo) -> None:
    """A's server suggests a name; the change shows everywhere and is A's, not the user's."""
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        desk = await sign_in(context, running.url, "grace")
        await account(desk).get_by_role("button", name="Suggest one").click()
        await expect(account(desk).locator("#name")).not_to_have_value("", timeout=AT_ONCE_MS)
        await expect(desk.locator("[data-changes]")).to_contain_text("Account", timeout=AT_ONCE_MS)


async def test_signing_out_at_the_provider_signs_out_here(running: Demo) -> None:
    """The provider tells the hub server to server; the desk goes without being touched."""
    async with chromium() as browser:
        context = await browser.new_context()
        desk = await sign_in(context, running.url, "linus")
        provider = await context.new_page()
        async with httpx.AsyncClient(base_url=running.url) as client:
            begun = (await client.get("/auth/login")).headers["location"]
        await provider.goto(f"{begun.partition('/authorize')[0]}/end_session")
        gone = asyncio.create_task(left(desk))
        await provider.get_by_role("button", name="Sign out").click(no_wait_after=True)
        await gone
        await expect(desk.get_by_role("heading")).to_contain_text("signed out")


async def test_ending_the_session_signs_every_tab_out_and_back_shows_nothing(running: Demo) -> None:
    """Every tab of both windows is at the signed-out page within a second of the click; Back shows no data."""
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        desk = await sign_in(context, running.url)
        other = await second_window(context, running)
        alone = await context.new_page()
        await alone.goto(f"{running.url}/apps/a/")
        await expect(alone.locator("[data-status]")).to_have_attribute("data-status", "live")
        await account(desk).locator("#name").fill("Secret Countess")
        await expect(other.locator("[data-document]")).to_contain_text("Secret Countess", timeout=AT_ONCE_MS)

        asked: list[float] = []
        desk.on("request", lambda request: asked.append(time.monotonic()) if request.method == "POST" else None)
        gone = [asyncio.create_task(left(page)) for page in (desk, other, alone)]
        await desk.locator("[data-end]").click(no_wait_after=True)
        at = await asyncio.gather(*gone)
        assert max(at) - asked[0] < 1.0, [round(moment - asked[0], 3) for moment in at]

        for page in (desk, other, alone):
            await expect(page.get_by_role("heading")).to_contain_text("signed out", ignore_case=True)
            await expect(page.get_by_role("link", name="Sign in again")).to_be_visible()
            await page.go_back(wait_until="commit")
            await expect(page.locator("body")).not_to_contain_text("Secret Countess")
            assert "Secret Countess" not in await page.content()
        # A page that hears of the end leaves before the answer that clears its cookie: what is left opens nothing.
        left_over = {cookie["name"]: cookie["value"] for cookie in await context.cookies(running.url)}.get("hub", "")
        async with httpx.AsyncClient(base_url=running.url, cookies={"hub": left_over}) as visitor:
            assert (await visitor.get("/v1/sessions/me")).status_code == 401
