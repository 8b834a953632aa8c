"""The browser client in a real Chromium: networks that go, tabs that sleep, caches, log-out, servers that restart.

The page of ``support/client_page.py`` runs behind a node as an app. Two minutes in the background pass on the page's
clock here; with ``FAULTS=long`` they pass for real, in a minimised window whose timers Chromium throttles.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright, expect

from tests import binaries
from tests.support.answers import good
from tests.support.client_page import ClientPage
from tests.support.demo import QUIET
from tests.support.nodes import Cluster, Node, free_port
from tests.support.tabs import Opened, as_service, log_in, merge
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

LONG = os.environ.get("FAULTS") == "long"
PREFIX = "/apps/life"
AT_ONCE_MS = 2000
MINUTES = 2


@dataclass(frozen=True)
class Place:
    """A node whose app is the page, and the cluster it belongs to."""

    cluster: Cluster
    node: Node
    settings: dict[str, str]

    @property
    def page_url(self) -> str:
        return f"{self.node.url}{PREFIX}/"


@pytest.fixture
def place(hub_cluster: Cluster) -> Iterator[Place]:
    with ClientPage(PREFIX) as app:
        settings = {
            "HUB_APPS__LIFE__PREFIX": PREFIX,
            "HUB_APPS__LIFE__UPSTREAM": app.url,
            "HUB_APPS__LIFE__SECTIONS__PROFILE": "write",
        }
        node = hub_cluster.node(**settings)
        yield Place(hub_cluster, node, settings)
        if node.process.poll() is None:
            node.kill()


@asynccontextmanager
async def chromium(*more: str) -> AsyncIterator[Browser]:
    """A Chromium with its back/forward cache, which Playwright turns off by itself."""
    async with async_playwright() as playwright:
        path = await asyncio.to_thread(binaries.browser)
        browser = await playwright.chromium.launch(
            executable_path=path, args=[*QUIET, *more], ignore_default_args=["--disable-back-forward-cache"]
        )
        try:
            yield browser
        finally:
            await browser.close()


async def logged_in(browser: Browser, place: Place) -> tuple[BrowserContext, Opened]:
    """A browser's window with a session of its own."""
    opened = await log_in(place.cluster, place.node)
    context = await browser.new_context()
    await context.add_cookies([{"name": "hub", "value": opened.token, "url": place.node.url}])
    return context, opened


async def tab(context: BrowserContext, place: Place, query: str = "") -> Page:
    """One more tab, live."""
    page = await context.new_page()
    await page.goto(place.page_url + query)
    await is_live(page)
    return page


async def is_live(page: Page, seconds: float = 10) -> None:
    await expect(page.locator("[data-status]")).to_have_text("live", timeout=seconds * 1000)


async def life(page: Page) -> dict[str, Any]:
    said: dict[str, Any] = await page.evaluate("window.life")
    return said


async def names(page: Page) -> list[str]:
    return [status["name"] for status in (await life(page))["statuses"]]


async def rename(place: Place, opened: Opened, name: str) -> None:
    """Somebody else changes the name."""
    async with as_service(place.node) as service:
        good(await merge(service, opened.sid, {"profile": {"name": name}}))


async def emulate(page: Page, *, offline: bool = False, latency_ms: float = 0, bytes_per_second: float = -1) -> CDPSession:
    """The network of one tab, its WebSockets included."""
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    conditions = {"downloadThroughput": bytes_per_second, "uploadThroughput": bytes_per_second}
    await session.send(
        "Network.emulateNetworkConditions", {"offline": offline, "latency": latency_ms, **conditions}
    )
    return session


async def clean(pages: Sequence[Page]) -> None:
    """Nothing was thrown, and the content security policy had nothing to object to."""
    assert [(await life(page))["errors"] for page in pages] == [[] for _ in pages]


async def test_a_tab_without_a_network_waits_and_comes_back_with_what_it_has_to_say(place: Place) -> None:
    """What is typed offline shows, waits, and is committed when the network is back, at once and not at the next try."""
    async with chromium() as browser:
        context, opened = await logged_in(browser, place)
        page, other = await tab(context, place), await tab(context, place)
        await page.evaluate("window.hub.until(() => false, { timeoutMs: 0 }).catch(() => {})")
        session = await emulate(page, offline=True)
        await page.evaluate("dispatchEvent(new Event('offline'))")
        await page.locator("#name").fill("typed offline")
        await expect(page.locator("[data-document]")).to_contain_text("typed offline")
        await rename(place, opened, "meanwhile")
        await expect(other.locator("[data-document]")).to_contain_text("meanwhile", timeout=AT_ONCE_MS)
        assert await page.evaluate("window.hub.pending.get()") == 1
        print(await names(page), await page.evaluate("window.hub.inspect().pending"))
        await session.detach()
