"""Rows of the table about time: what began before a universal log-out, and clocks that do not agree."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable
from datetime import datetime

import httpx
import pytest

from tests.faults.stage import CRIPPLED
from tests.security.roads import now
from tests.support.answers import good, problem
from tests.support.log_ins import begin, browser_log_in, finish, is_live
from tests.support.nodes import Cluster, Node
from tests.support.tabs import as_service, as_user, bearer, log_in, open_tab

pytestmark = pytest.mark.edge

ROUNDS, AT_ONCE = 50, 5
SPREAD_SECONDS = 0.03
LATE_SECONDS = 1.0


class Sweep:
    """One user who logs in by token and by browser at two nodes while a service ends all of the user's sessions."""

    def __init__(self, cluster: Cluster, services: list[httpx.AsyncClient], number: int) -> None:
        self.cluster, self.services, self.user = cluster, services, f"sweep-{number}"
        self.opened = self.refused = 0

    async def run(self) -> None:
        """All that began before is over, whichever came first."""
        tokens = [self.cluster.provider.token(self.user) for _ in self.services]
        browsers = [httpx.AsyncClient(base_url=service.base_url, verify=False) for service in self.services]
        asked = [await begin(browser) for browser in browsers]
        log_ins = [self.by_token(*each) for each in zip(self.services, tokens, strict=True)]
        log_ins += [self.by_browser(*each) for each in zip(browsers, asked, strict=True)]
        await asyncio.gather(self.sweep(), *(self.at_some_moment(log_in) for log_in in log_ins))
        left = good(await self.services[0].get(f"/v1/users/{self.user}/sessions"))
        assert left == {"sessions": []}
        for browser in browsers:
            assert not await is_live(browser)
            await browser.aclose()

    async def at_some_moment(self, log_in: Awaitable[int]) -> None:
        await asyncio.sleep(random.uniform(0, SPREAD_SECONDS))  # no wait: the race's disorder
        if await log_in in (201, 303):
            self.opened += 1
        else:
            self.refused += 1

    async def sweep(self) -> None:
        await asyncio.sleep(random.uniform(0, SPREAD_SECONDS))
        good(await random.choice(self.services).delete(f"/v1/users/{self.user}/sessions"))

    async def by_token(self, client: httpx.AsyncClient, token: str) -> int:
        return (await client.post("/v1/sessions", headers=bearer(token))).status_code

    async def by_browser(self, browser: httpx.AsyncClient, asked: dict[str, str]) -> int:
        return (await finish(browser, self.cluster, asked, sub=self.user)).status_code


async def test_60_no_log_in_that_began_before_a_universal_log_out_survives_it(hub_cluster: Cluster) -> None:
    """Fifty rounds of log-ins by token and by browser against it; one that begins after it is let in."""
    nodes = [hub_cluster.node(HUB_LIMITS__LOGINS_PER_MINUTE="0") for _ in range(2)]
    room = asyncio.Semaphore(AT_ONCE)

    async def run(sweep: Sweep) -> None:
        async with room:
            await sweep.run()

    async with as_service(nodes[0]) as one, as_service(nodes[1]) as two:
        sweeps = [Sweep(hub_cluster, [one, two], number) for number in range(ROUNDS)]
        await asyncio.gather(*map(run, sweeps))
    opened, refused = (sum(counts) for counts in zip(*((each.opened, each.refused) for each in sweeps), strict=True))
    print(f"of {opened + refused} log-ins {opened} came first and were ended, {refused} came last and were refused")
    assert min(opened, refused) >= ROUNDS // 5, "all log-ins were on one side of the log-out"
    async with httpx.AsyncClient(base_url=nodes[0].url, verify=False) as browser:
        await browser_log_in(hub_cluster, nodes[0], browser, sub=sweeps[0].user)
        assert await is_live(browser)


async def test_61_a_node_whose_clock_is_wrong_neither_extends_nor_cuts_sessions(hub_cluster: Cluster) -> None:
    """Five minutes ahead, five behind: fresh tokens are fresh, deadlines are the store's, and so are their ends."""
    cripples = ("fast_clock", "slow_clock")
    nodes = [hub_cluster.node(CRIPPLED, CRIPPLES=each, HUB_SESSION__IDLE="2s") for each in cripples]
    await asyncio.gather(*(lives_two_seconds(hub_cluster, node, nodes) for node in nodes))
    for node in nodes:
        async with httpx.AsyncClient(base_url=node.url, verify=False) as client:
            for seconds, status in ((-240, 201), (-320, 401), (50, 201), (90, 401)):
                token = hub_cluster.provider.token(f"at-{seconds}", iat=int(time.time()) + seconds)
                answer = await client.post("/v1/sessions", headers=bearer(token))
                assert answer.status_code == status, (seconds, answer.text)


async def lives_two_seconds(cluster: Cluster, node: Node, nodes: list[Node]) -> None:
    """A session opened at one node is live for all of them up to its deadline, and over after it."""
    opened = await log_in(cluster, node)
    tabs = [await open_tab(each, opened.token) for each in nodes]
    async with as_user(nodes[0], opened) as user:
        about = good(await user.get("/v1/sessions/me"))
    created, deadline = (datetime.fromisoformat(about[name]).timestamp() for name in ("created_at", "idle_expires_at"))
    assert abs(created - time.time()) < LATE_SECONDS
    assert deadline - created == pytest.approx(2.0)
    due = now() + deadline - time.time()
    while (left := due - now()) > 0:
        for each, tab in zip(nodes, tabs, strict=True):
            async with as_user(each, opened) as user:
                answer = await user.get("/v1/sessions/me")
            assert answer.status_code == 200 or now() >= due, answer.text
            assert tab.closed_at is None or now() >= due
        await asyncio.sleep(min(left, 0.1))  # a pace, not a wait
    for each, tab in zip(nodes, tabs, strict=True):
        await tab.until_closed(LATE_SECONDS + due - now())
        assert (tab.code, tab.frames[-1]["reason"]) == (4500, "idle")
        assert -0.01 <= (tab.closed_at or 0) - due < LATE_SECONDS
        async with as_user(each, opened) as user:
            problem(await user.get("/v1/sessions/me"), 401, "session_ended")
