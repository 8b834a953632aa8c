"""Outage after outage of the store: a browser that never stops asking is told to wait, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.faults.lengths import IS_LONG
from tests.faults.stage import CRIPPLED
from tests.support.echo import EchoApp
from tests.support.log_ins import browser_log_in
from tests.support.nodes import Cluster, Node, cluster
from tests.support.store_proxy import StoreProxy
from tests.support.stores import kill, pid_of
from tests.support.tabs import Tab, open_with
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.one_server, pytest.mark.timeout(300 if IS_LONG else 60)]

OUTAGES = 20 if IS_LONG else 3
TABS = 3
SEEN_SECONDS = 6.0
BACK_SECONDS = 12.0
ASK_SECONDS = 0.02
ASKED = ("/v1/sessions/me/document", "/v1/sessions/me", "/apps/a/page", "/auth/login?return_to=/apps/a/")
CALM = {200, 303, 503}  # 303: who is logged in already is sent on


@dataclass
class Browser:
    """One person: a page that asks again and again, and tabs that just listen. What they were told."""

    client: httpx.AsyncClient
    tabs: list[Tab]
    statuses: Counter[int] = field(default_factory=Counter)
    cookies: list[str] = field(default_factory=list)

    async def ask(self, path: str) -> None:
        """Until cancelled."""
        while True:
            answer = await self.client.get(path, headers={"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"})
            self.statuses[answer.status_code] += 1
            self.cookies += answer.headers.get_list("set-cookie")
            await asyncio.sleep(ASK_SECONDS)

    async def until_refused(self, count: int) -> None:
        """Until it was told to wait so many times more."""
        goal = self.statuses[503] + count
        await eventually(lambda: _was_told(self, 503, goal), SEEN_SECONDS)

    async def are_told(self, mode: str) -> bool:
        """Whether every tab was told this mode last."""
        told = [[frame["mode"] for frame in tab.frames if frame["type"] == "mode"] for tab in self.tabs]
        return all(each[-1:] == [mode] for each in told)

    async def is_served(self) -> bool:
        """Whether all is well again."""
        answers = [await self.client.get(path) for path in ASKED[:3]]
        return await self.are_told("live") and all(answer.status_code == 200 for answer in answers)

    def complaints(self) -> list[str]:
        """Whatever was said that is no reason to wait."""
        found = [f"{count} answers of {status}" for status, count in self.statuses.items() if status not in CALM]
        found += [f"a cookie was set: {each.partition('=')[0]}" for each in self.cookies]
        found += ["a tab was closed" for tab in self.tabs if tab.closed_at is not None]
        return found + ["a tab heard ended" for tab in self.tabs if "ended" in tab.types]


@asynccontextmanager
async def killed(made: Cluster, _: StoreProxy) -> AsyncIterator[None]:
    """``kill -9``; a new process on the same data."""
    kill(made.store)
    yield
    made.store.start()


@asynccontextmanager
async def frozen(made: Cluster, _: StoreProxy) -> AsyncIterator[None]:
    """SIGSTOP, SIGCONT."""
    pid = pid_of(made.store)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def cut(_: Cluster, proxy: StoreProxy) -> AsyncIterator[None]:
    """Every connection is closed, and none is taken."""
    proxy.is_open = False
    proxy.cut()
    yield
    proxy.is_open = True


KINDS = (killed, frozen, cut)


@asynccontextmanager
async def place(cripples: str) -> AsyncIterator[tuple[Cluster, StoreProxy, Browser]]:
    """A node with an app, and somebody who uses it."""
    with EchoApp() as app, cluster() as made:
        async with StoreProxy(made.folder, made.store_url) as proxy, AsyncExitStack() as stack:
            settings = {"HUB_STORE_URL": proxy.url, "HUB_APPS__A__UPSTREAM": app.url, "CRIPPLES": cripples}
            settings["HUB_LIMITS__LOGINS_PER_MINUTE"] = "0"
            node = await asyncio.to_thread(lambda: made.node(CRIPPLED, port=None, **settings))
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=node.url, timeout=30))
            await browser_log_in(made, node, client, user="ada")
            tabs = [await stack.enter_async_context(await tab_of(node, client)) for _ in range(TABS)]
            yield made, proxy, Browser(client, tabs)
            node.kill()


async def tab_of(node: Node, client: httpx.AsyncClient) -> Tab:
    """One that shows the cookie."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return await (await open_with(node, {"Cookie": cookies, "Origin": node.url})).until_live()


@asynccontextmanager
async def asking(browser: Browser) -> AsyncIterator[None]:
    """The page asks; what becomes of its asking is raised."""
    tasks = [asyncio.create_task(browser.ask(path)) for path in ASKED]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


async def test_nobody_is_logged_out_by_outages(row: Callable[[str], Any]) -> None:
    """Every answer is good or 503, no cookie is touched, no tab is closed or hears ``ended``, and after each outage all
    is live again."""
    seen, back = list[float](), list[float]()
    async with place("") as (made, proxy, browser), asking(browser):
        for number in range(OUTAGES):
            began = time.monotonic()
            async with KINDS[number % len(KINDS)](made, proxy):
                await eventually(lambda: browser.are_told("maintenance"), SEEN_SECONDS)
                seen.append(time.monotonic() - began)
                await browser.until_refused(len(ASKED))
            ended = time.monotonic()
            await eventually(browser.is_served, BACK_SECONDS)
            back.append(time.monotonic() - ended)
        found = browser.complaints()
    line = row("outages of the store")
    line.operations, line.injected, line.violations = browser.statuses.total(), OUTAGES, len(found)
    line.figures = f"seen after {figures(seen)}, live again after {figures(back)}; {browser.statuses[503]} times 503"
    assert not found, found[:5]
    assert browser.statuses[200]
    assert browser.statuses[503]


def figures(seconds: list[float]) -> str:
    """Median and worst."""
    return f"{statistics.median(seconds):.1f} s (worst {max(seconds):.1f})"


async def test_where_a_store_that_is_away_knows_nobody_it_shows(row: Callable[[str], Any]) -> None:
    """Negative control."""
    async with place("doubtful") as (made, proxy, browser), asking(browser):
        async with killed(made, proxy):
            await eventually(lambda: _was_told(browser, 401, 1), SEEN_SECONDS)
        found = browser.complaints()
    row("outages of the store").control = "caught: answers of 401" if found else "NOT CAUGHT"
    assert any("answers of 401" in each for each in found)


async def _was_told(browser: Browser, status: int, times: int) -> bool:
    return browser.statuses[status] >= times
