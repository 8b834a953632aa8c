"""Sessions end by time: on time, pushed to their tabs, and slid only by what the user does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Opened, Tab, as_service, as_user, log_in, merge, open_tab
from tests.support.waiting import eventually

pytestmark = pytest.mark.edge

IDLE_SECONDS = 2.0
ABSOLUTE_SECONDS = 4.0
LATE_SECONDS = 0.7  # a busy machine


@pytest.fixture(scope="module")
def short(hub_cluster: Cluster) -> Node:
    """A node whose sessions idle out after 2 s and live 4 s at most."""
    return hub_cluster.node(HUB_SESSION__IDLE="2s", HUB_SESSION__ABSOLUTE="4s")


async def seconds_until_closed(tab: Tab, since: float) -> float:
    """How long after ``since`` the tab was closed."""
    await tab.until_closed(ABSOLUTE_SECONDS + LATE_SECONDS)
    return asyncio.get_running_loop().time() - since


async def again_and_again(act: Callable[[], Awaitable[object]], until: asyncio.Event) -> None:
    """Do something five times a second until an event."""
    while not until.is_set():
        await act()
        try:
            await asyncio.wait_for(until.wait(), 0.2)
        except TimeoutError:
            continue


async def lives(tab: Tab, act: Callable[[], Awaitable[object]]) -> float:
    """How many seconds a tab's session lives while something is done all the time."""
    started, over = asyncio.get_running_loop().time(), asyncio.Event()
    doing = asyncio.create_task(again_and_again(act, over))
    try:
        return await seconds_until_closed(tab, started)
    finally:
        over.set()
        await doing


async def test_an_idle_session_ends_on_time_and_says_so(hub_cluster: Cluster, short: Node) -> None:
    """Every tab gets ``ended: idle`` and 4500 at the deadline; then 401 with the reason."""
    started = asyncio.get_running_loop().time()
    opened = await log_in(hub_cluster, short)
    async with await open_tab(short, opened.token) as tab, await open_tab(short, opened.token) as other:
        seconds = await seconds_until_closed(tab, started)
        await other.until_closed()
        assert IDLE_SECONDS <= seconds < IDLE_SECONDS + LATE_SECONDS
        for each in (tab, other):
            assert (each.code, each.frames[-1]["type"], each.frames[-1]["reason"]) == (4500, "ended", "idle")
    async with as_user(short, opened) as user:
        assert problem(await user.get("/v1/sessions/me"), 401, "session_ended")["reason"] == "idle"


async def test_pings_reads_and_pushes_keep_nobody_logged_in(hub_cluster: Cluster, short: Node) -> None:
    """A tab that pings, documents that are read and commits of others do not slide the idle timer."""
    opened = await log_in(hub_cluster, short)
    async with await open_tab(short, opened.token) as tab, as_user(short, opened) as user, as_service(short) as service:
        count = 0

        async def noise() -> None:
            nonlocal count
            count += 1
            await tab.send({"type": "ping"})
            await user.get("/v1/sessions/me/document")
            await merge(service, opened.sid, {"profile": {"n": count}})

        assert await lives(tab, noise_until_refused(noise)) < IDLE_SECONDS + LATE_SECONDS
        assert tab.frames[-1]["reason"] == "idle"
        assert tab.types.count("heartbeat") >= 3
        assert tab.types.count("change") >= 3


def noise_until_refused(noise: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """The tab may be closed at any moment; that is what the test waits for."""

    async def quiet() -> None:
        try:
            await noise()
        except Exception as error:
            if type(error).__name__ not in ("ConnectionClosedError", "ConnectionClosedOK"):
                raise

    return quiet


@pytest.mark.parametrize("how", ["activity", "commit of the tab", "commit over HTTP"])
async def test_what_the_user_does_slides_idle_up_to_the_absolute_deadline(
    hub_cluster: Cluster, short: Node, how: str
) -> None:
    """Activity and own commits keep the session, until ``expired`` ends it all the same, on time."""
    started = asyncio.get_running_loop().time()
    opened = await log_in(hub_cluster, short)
    async with await open_tab(short, opened.token) as tab, as_user(short, opened) as user:
        act = _deed(how, tab, opened, user)
        seconds = await lives(tab, noise_until_refused(act)) + 0.0
        total = asyncio.get_running_loop().time() - started
        assert ABSOLUTE_SECONDS <= total < ABSOLUTE_SECONDS + LATE_SECONDS, seconds
        assert (tab.code, tab.types[-1], tab.frames[-1]["reason"]) == (4500, "ended", "expired")


def _deed(how: str, tab: Tab, opened: Opened, user: httpx.AsyncClient) -> Callable[[], Awaitable[None]]:
    count = 0

    async def act() -> None:
        nonlocal count
        count += 1
        if how == "activity":
            await tab.send({"type": "activity"})
        elif how == "commit of the tab":
            await tab.send({"type": "commit", "id": f"commit-number-{count:06}", "patch": {"cart": {"n": count}}})
        else:
            await merge(user, "me", {"cart": {"n": count}})

    return act


async def test_an_event_stream_is_told_too(hub_cluster: Cluster, short: Node) -> None:
    """The stream ends with ``ended``; coming back is 204."""
    opened = await log_in(hub_cluster, short)
    async with as_user(short, opened) as user:
        async with user.stream("GET", "/v1/sessions/me/events", timeout=ABSOLUTE_SECONDS) as stream:
            text = "".join([part async for part in stream.aiter_text()])
        assert "event: ended" in text
        assert '"reason":"idle"' in text
        assert (await user.get("/v1/sessions/me/events")).status_code == 204


async def test_a_session_without_tabs_is_over_at_its_deadline(hub_cluster: Cluster, short: Node) -> None:
    """Nobody had to notice: the first read after the deadline finds it ended, with the reason."""
    opened = await log_in(hub_cluster, short)
    async with as_service(short) as service:

        async def is_over() -> bool:
            return bool(good(await service.get(f"/v1/sessions/{opened.sid}"))["status"] == "ended")

        await eventually(is_over, IDLE_SECONDS + LATE_SECONDS)
        said = good(await service.get(f"/v1/sessions/{opened.sid}"))
        assert said["reason"] == "idle"
        listed = good(await service.get("/v1/users/ada/sessions"))["sessions"]
        assert opened.sid not in [each["sid"] for each in listed]
        problem(await merge(service, opened.sid, {"profile": {}}), 410, "session_ended")


async def test_the_per_user_cap_replaces_the_oldest(hub_cluster: Cluster) -> None:
    """The third of two: the first is ``replaced`` and its tab told."""
    node = hub_cluster.node(HUB_SESSION__PER_USER="2")
    first = await log_in(hub_cluster, node, "capped")
    async with await (await open_tab(node, first.token)).until_live() as tab:
        await log_in(hub_cluster, node, "capped")
        await log_in(hub_cluster, node, "capped")
        await tab.until_closed()
        assert (tab.code, tab.frames[-1]["reason"]) == (4500, "replaced")
    async with as_service(node) as service:
        assert len(good(await service.get("/v1/users/capped/sessions"))["sessions"]) == 2
    assert node.stop() == 0
