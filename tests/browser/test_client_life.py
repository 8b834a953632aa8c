"""The browser client in a real Chromium: networks that go, tabs that sleep, caches, log-out, servers that restart.

The page of ``support/client_page.py`` runs behind a node as an app, and a wire that can be slow or cut. With
``FAULTS=long`` a tab is hidden for two minutes and more, for real.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests import binaries
from tests.support.answers import good
from tests.support.background import THROTTLED, Window
from tests.support.client_page import ClientPage
from tests.support.demo import QUIET
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Opened, as_service, log_in, merge
from tests.support.waiting import eventually
from tests.support.wire import Wire

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

HIDDEN_SECONDS = 130.0 if os.environ.get("FAULTS") == "long" else 3.0
PREFIX = "/apps/life"
PATIENT = """import('/client/index.js').then(({ connectSession }) => {
  window.patient = connectSession({ retry: { minMs: 60_000, maxMs: 60_000 }, random: () => 1 })
  return window.patient.ready()
})"""
AT_ONCE_MS = 2000
TYPED = "the quick brown fox jumps over the lazy dog, twice"


class Place:
    """The page behind a node behind a wire."""

    def __init__(self, cluster: Cluster, wire: Wire, app: ClientPage) -> None:
        self.cluster, self.wire = cluster, wire
        self._settings = {
            "HUB_PUBLIC_URL": wire.url,
            "HUB_APPS__LIFE__PREFIX": PREFIX,
            "HUB_APPS__LIFE__UPSTREAM": app.url,
            "HUB_APPS__LIFE__SECTIONS__PROFILE": "write",
        }
        self.page_url = f"{wire.url}{PREFIX}/"
        self.node = self._started()

    def _started(self) -> Node:
        node = self.cluster.node("hub", port=None, **self._settings)
        self.wire.port = node.port
        return node

    async def start(self) -> None:
        """A node takes the place of the one that went."""
        self.node = await asyncio.to_thread(self._started)

    async def rename(self, opened: Opened, name: str) -> None:
        """Somebody else changes the name."""
        async with as_service(self.node) as service:
            good(await merge(service, opened.sid, {"profile": {"name": name}}))


@dataclass(frozen=True)
class Visitor:
    """A browser with one session."""

    context: BrowserContext
    opened: Opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(hub_cluster: Cluster) -> AsyncIterator[Place]:
    async with Wire() as wire:
        with ClientPage(PREFIX) as app:
            made = await asyncio.to_thread(Place, hub_cluster, wire, app)
            yield made
            made.node.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium with its back/forward cache and its throttled timers, which Playwright turns off by itself."""
    async with async_playwright() as playwright:
        path = await asyncio.to_thread(binaries.browser)
        started = await playwright.chromium.launch(
            executable_path=path,
            args=[*QUIET, "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1"],
            ignore_default_args=["--disable-back-forward-cache", *THROTTLED],
        )
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(browser: Browser, place: Place) -> AsyncIterator[Visitor]:
    """A browser's window with a session of its own, and a wire that is good again."""
    place.wire.mend()
    place.wire.delay_seconds = 0.0
    opened = await log_in(place.cluster, place.node)
    context = await browser.new_context()
    await context.add_cookies([{"name": "hub", "value": opened.token, "url": place.wire.url}])
    yield Visitor(context, opened)
    await context.close()


async def tab(context: BrowserContext, place: Place, query: str = "") -> Page:
    """One more tab, live."""
    page = await context.new_page()
    await page.goto(place.page_url + query)
    await has_status(page, "live")
    return page


async def has_status(page: Page, name: str, seconds: float = 10) -> None:
    await expect(page.locator("p[data-status]")).to_have_text(name, timeout=seconds * 1000)


async def shows(page: Page, text: str, seconds: float = 2) -> None:
    await expect(page.locator("[data-document]")).to_contain_text(text, timeout=seconds * 1000)


async def life(page: Page) -> dict[str, Any]:
    said: dict[str, Any] = await page.evaluate("window.life")
    return said


async def until(page: Page, expression: str, seconds: float = 10) -> None:
    """Until an expression is true there. (Playwright's own way needs `eval`, which the page's policy forbids.)"""

    async def is_so() -> bool:
        return bool(await page.evaluate(expression))

    await eventually(is_so, seconds)


async def is_clean(*pages: Page) -> None:
    """Nothing was thrown, and the content security policy had nothing to object to."""
    assert [(await life(page))["errors"] for page in pages] == [[] for _ in pages]


async def test_a_tab_without_a_network_keeps_what_is_typed_and_is_back_as_soon_as_the_network_is(
    place: Place, visitor: Visitor
) -> None:
    """Not at the next attempt that was planned: the `online` event begins one. The commit is made once."""
    context, opened = visitor.context, visitor.opened
    page, other = await tab(context, place), await tab(context, place)
    place.wire.cut()
    await context.set_offline(True)
    await has_status(page, "waiting")
    await page.locator("#name").fill("typed offline")
    await shows(page, "typed offline")
    assert await page.evaluate("window.hub.pending.get()") == 1
    await place.rename(opened, "meanwhile")
    await until(page, "window.hub.status.get().retryAt - Date.now() > 400")
    planned = await page.evaluate("window.hub.status.get().retryAt")
    place.wire.mend()
    await context.set_offline(False)
    await has_status(page, "live")
    assert (await life(page))["statuses"][-2]["at"] < planned - 200, "it did not wait until then"
    for each in (page, other):
        await shows(each, "typed offline")
    assert await page.evaluate("window.hub.pending.get()") == 0
    assert None not in (await life(page))["shown"][2:], "what was shown stayed"
    assert await page.evaluate("window.hub.position.get()") == await other.evaluate("window.hub.position.get()")
    await is_clean(page, other)


async def test_a_hidden_tab_follows_and_comes_back_at_once_when_it_is_looked_at(place: Place, browser: Browser) -> None:
    """Really hidden, with throttled timers; live all the time, and after a lost connection as soon as it is shown."""
    opened = await log_in(place.cluster, place.node)
    window = await Window.open(browser, url=place.wire.url, cookie=opened.token)
    hidden = await window.tab(place.page_url)
    await hidden.until("window.hub?.status.get().name === 'live'")
    shown = await window.tab(place.page_url + "?2")
    await shown.until("window.hub?.status.get().name === 'live'")
    await hidden.until("document.visibilityState === 'hidden'")
    await hidden.evaluate("window.ticks = 0; setInterval(() => { ticks++ }, 100); 1")
    began = time.monotonic()
    await hidden.until(f"performance.now() > {HIDDEN_SECONDS * 1000}", HIDDEN_SECONDS + 10)
    passed = time.monotonic() - began
    assert await hidden.evaluate("window.ticks") < passed * 5, "its timers are throttled, as this test wants them"
    await place.rename(opened, "while hidden")
    await hidden.until("window.hub.get().profile.name === 'while hidden'", 2)
    assert await hidden.evaluate("window.life.statuses.map(({ name }) => name).join()") == "connecting,live"

    await hidden.evaluate(PATIENT)
    place.wire.cut()
    await hidden.until("window.hub.status.get().name === 'waiting' && window.patient.status.get().name === 'waiting'")
    await place.rename(opened, "while cut off")
    await hidden.evaluate("window.life.statuses.length = 0")
    place.wire.mend()
    await hidden.show()
    await hidden.until("window.hub.status.get().name === 'live'", 2)
    await hidden.until("window.patient.status.get().name === 'live'", 2)  # which would have waited for a minute
    assert await hidden.evaluate("window.hub.get().profile.name") == "while cut off"


async def test_a_machine_that_slept_for_two_minutes_does_not_trust_its_connection(
    place: Place, visitor: Visitor
) -> None:
    """The page's clock jumps, as when a lid is opened: the old socket is let go, and what was missed comes."""
    context, opened = visitor.context, visitor.opened
    page = await context.new_page()
    await page.clock.install()
    await page.goto(place.page_url)
    await has_status(page, "live")
    await page.clock.fast_forward(120_000)
    await until(page, "window.life.statuses.some(({ reason }) => reason === 'silent')")
    await place.rename(opened, "meanwhile")
    await page.clock.run_for(1000)
    await has_status(page, "live")
    await shows(page, "meanwhile")
    await is_clean(page)


async def test_a_frozen_tab_thaws_with_what_it_missed(place: Place, visitor: Visitor) -> None:
    """Frozen as browsers do to tabs in the background: nothing runs there, then everything is heard in order."""
    context, opened = visitor.context, visitor.opened
    page = await tab(context, place)
    session = await context.new_cdp_session(page)
    await session.send("Page.setWebLifecycleState", {"state": "frozen"})
    for number in range(5):
        await place.rename(opened, f"frozen {number}")
    await session.send("Page.setWebLifecycleState", {"state": "active"})
    await shows(page, "frozen 4")
    assert (
        await page.evaluate("window.hub.inspect().frames.filter(({ message }) => message.type === 'change').length")
        == 5
    )
    await is_clean(page)


async def test_back_shows_nothing_of_a_session_that_ended_and_everything_of_one_that_lives(
    place: Place, visitor: Visitor
) -> None:
    """Out of Chromium's back/forward cache, for real: hidden until the hub has spoken, and after the end for good."""
    context, opened = visitor.context, visitor.opened
    page = await tab(context, place)
    await place.rename(opened, "Secret Countess")
    await shows(page, "Secret Countess")
    await page.goto(f"{place.page_url}elsewhere")
    await page.go_back(wait_until="commit")
    await shows(page, "Secret Countess")
    came = (await life(page))["persisted"][-1]
    assert (came["persisted"], came["status"], came["document"]) == (True, "connecting", None)
    assert "Secret Countess" not in came["seen"]

    await page.goto(f"{place.page_url}elsewhere")
    async with as_service(place.node) as service:
        good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
    await page.go_back(wait_until="commit")
    await has_status(page, "ended")
    came = (await life(page))["persisted"][-1]
    assert (came["persisted"], came["document"]) == (True, None)
    assert "Secret Countess" not in came["seen"] + await page.locator("body").inner_text()
    assert await page.evaluate("window.hub.get() ?? null") is None
    assert "Secret Countess" not in await page.evaluate("JSON.stringify(window.hub.inspect())")
    assert await page.locator("#name").input_value() == ""


async def test_a_log_out_in_one_of_six_tabs_is_a_log_out_in_all_within_a_second(place: Place, visitor: Visitor) -> None:
    """Also in one that hears nothing of the hub at the moment: its neighbours tell it."""
    context = visitor.context
    pages = [await tab(context, place) for _ in range(6)]
    deaf = await context.new_cdp_session(pages[5])
    await deaf.send("Network.enable")
    nothing = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    await deaf.send("Network.emulateNetworkConditions", nothing)
    began = await pages[0].evaluate(
        "async () => { const at = performance.timeOrigin + performance.now(); await window.hub.logout(); return at }"
    )
    for page in pages:
        await has_status(page, "ended", 2)
    ended = [(await life(page))["statuses"][-1] for page in pages]
    assert {status["reason"] for status in ended} == {"logged_out"}
    assert ended[5].get("code") is None, "it was not the hub that told it"
    delays = sorted(status["at"] - began for status in ended)
    assert delays[-1] < 1000, delays
    assert [await page.evaluate("window.hub.get() ?? null") for page in pages] == [None] * 6
    print(f"six tabs out after {delays[-1]:.0f} ms")
    await is_clean(*pages)


async def test_after_a_restart_all_six_tabs_are_back_and_did_not_come_at_once(place: Place, visitor: Visitor) -> None:
    """A node that leaves names a window; each tab takes a moment of its own in it, and resumes where it was."""
    context, opened = visitor.context, visitor.opened
    pages = [await tab(context, place) for _ in range(6)]
    await asyncio.to_thread(place.node.stop)
    planned = [await page.evaluate("window.life.statuses.find(({ code }) => code === 4001)?.retryAt") for page in pages]
    assert max(planned) - min(planned) > 250, planned
    await place.start()
    await place.rename(opened, "after the restart")
    for page in pages:
        await has_status(page, "live", 20)
        await shows(page, "after the restart", 5)
        assert (
            await page.evaluate(
                "window.hub.inspect().frames.filter(({ message }) => message.type === 'snapshot').length"
            )
            == 1
        )
    await is_clean(*pages)


async def test_a_field_that_is_typed_in_never_jumps_on_a_slow_network(place: Place, visitor: Visitor) -> None:
    """50 keystrokes in 2 s over a round trip of 600 ms: few commits, one value in the end, in the other tab as well."""
    context = visitor.context
    page, other = await tab(context, place), await tab(context, place)
    place.wire.delay_seconds = 0.3
    await page.locator("#name").press_sequentially(TYPED, delay=40)
    assert await page.locator("#name").input_value() == TYPED
    for each in (page, other):
        await expect(each.locator("#name")).to_have_value(TYPED, timeout=5000)
    await until(page, "window.hub.pending.get() === 0")
    said = await life(page)
    assert said["jumps"] == 0
    assert said["shown"][2:] == [TYPED[: length + 1] for length in range(len(TYPED))]
    heard = [len(name or "") for name in (await life(other))["shown"]]
    assert heard == sorted(heard), "nor does the other tab ever go back"
    commits = await page.evaluate(
        "window.hub.inspect().frames.filter(({ message }) => message.type === 'commit').length"
    )
    assert 2 <= commits <= 30, commits
    print(f"{commits} commits for {len(TYPED)} keystrokes")
    await is_clean(page, other)


async def test_the_overlay_shows_a_session_under_the_strictest_policy(place: Place, visitor: Visitor) -> None:
    """`?hubDebug`: status, position and frames in a corner, without a word from the content security policy."""
    context, opened = visitor.context, visitor.opened
    page = await tab(context, place, "?hubDebug")
    overlay = page.locator("hub-debug")
    await expect(overlay.locator("header")).to_contain_text("live")
    await place.rename(opened, "watched")
    await expect(overlay.locator("li").first).to_contain_text("watched")
    await expect(overlay.locator("dl")).to_contain_text(" ms")
    assert await overlay.locator("section").evaluate("element => getComputedStyle(element).position === 'static'")
    width = await overlay.locator("section").evaluate("element => element.getBoundingClientRect().width")
    assert 300 < width <= 400, "its style sheet is in force"
    await is_clean(page)


async def test_a_tab_that_asks_from_elsewhere_finds_the_overlay_by_a_bookmark(place: Place, visitor: Visitor) -> None:
    """The same from a bookmark or the console, on a page that was not opened for it."""
    context = visitor.context
    page = await tab(context, place)
    await page.evaluate("import('/client/debug.js').then(({ find }) => find())")
    await expect(page.locator("hub-debug header")).to_contain_text("live")
    await page.locator("hub-debug [title=close]").click()
    assert await page.locator("hub-debug").count() == 0
    await is_clean(page)
