"""Rows of the table about what one caller can use up: connections, frames, and the patience of a node."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.faults.stage import CRIPPLED
from tests.support.answers import good, problem
from tests.support.event_tabs import open_events, stream_client
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Opened, Tab, as_service, as_user, bearer, log_in, merge, open_tab
from tests.support.waiting import eventually

pytestmark = pytest.mark.edge

PER_SESSION = 8  # of the tests' configuration
PER_NODE = 4
SMALL_BUFFER_BYTES = 8192
PAD_BYTES, PADS = 60_000, 150  # more than all buffers on the way together hold
FRAME_BYTES = 64 * 1024
NEIGHBOUR_SECONDS = 0.5
SLOW_SECONDS = 8.0
IMPATIENT_SECONDS = 2.3  # of a node whose tabs are given a second, and which looks once a second


async def test_52_one_connection_too_many_closes_the_oldest(hub_cluster: Cluster, node: Node) -> None:
    """4504 for the first tab of nine; the others stay, and services that follow are not counted."""
    opened = await log_in(hub_cluster, node)
    async with AsyncExitStack() as stack, as_service(node) as service:
        tabs = [await stack.enter_async_context(await open_tab(node, opened.token)) for _ in range(PER_SESSION)]
        for tab in tabs:
            await tab.until_live()
        assert good(await service.get(f"/v1/sessions/{opened.sid}"))["connections"] == PER_SESSION
        last = await stack.enter_async_context(await open_tab(node, opened.token))
        await tabs[0].until_closed()
        assert (tabs[0].code, "ended" in tabs[0].types) == (4504, False)
        await hear(service, opened, [*tabs[1:], last])


async def hear(service: httpx.AsyncClient, opened: Opened, tabs: list[Tab]) -> None:
    """All of them are there and get the next change."""
    done = good(await merge(service, opened.sid, {"cart": {"at": time.monotonic()}}))
    for tab in tabs:
        await tab.until(lambda tab: tab.position == done["position"])
        assert tab.closed_at is None


async def test_52_a_frame_over_64_kib_closes_its_own_connection_only(hub_cluster: Cluster, node: Node) -> None:
    """4502 for 65 KiB, though its message is a good one; one of 64 KiB is answered; the neighbour hears nothing."""
    opened = await log_in(hub_cluster, node)
    async with (
        await open_tab(node, opened.token) as big,
        await open_tab(node, opened.token) as neighbour,
        as_service(node) as service,
    ):
        await asyncio.gather(big.until_live(), neighbour.until_live())
        await big.send(padded(FRAME_BYTES))
        await big.until(lambda tab: "heartbeat" in tab.types)
        await big.send(padded(FRAME_BYTES + 1024))
        await big.until_closed()
        assert (big.code, big.types.count("heartbeat"), "ended" in big.types) == (4502, 1, False)
        await hear(service, opened, [neighbour])


def padded(size: int) -> dict[str, str]:
    """A ping of so many bytes."""
    empty = {"type": "ping", "pad": ""}
    return {"type": "ping", "pad": "x" * (size - len(json.dumps(empty)))}


async def test_52_a_node_that_holds_all_it_may_refuses_the_next_and_keeps_the_others(hub_cluster: Cluster) -> None:
    """503 ``overloaded`` with ``Retry-After`` for a WebSocket and a stream; one that leaves makes room."""
    full = hub_cluster.node(HUB_LIMITS__CONNECTIONS=str(PER_NODE))
    sessions = [await log_in(hub_cluster, full, f"crowd-{number}") for number in range(PER_NODE)]
    async with AsyncExitStack() as stack, as_service(full) as service:
        tabs = [await stack.enter_async_context(await open_tab(full, each.token)) for each in sessions[1:]]
        streams = await stack.enter_async_context(stream_client())
        events = await open_events(streams, full, bearer(sessions[0].token))
        await asyncio.gather(events.until_live(), *(tab.until_live() for tab in tabs))
        with pytest.raises(InvalidStatus) as refused:
            await open_tab(full, sessions[0].token)
        answer = refused.value.response
        assert (answer.status_code, json.loads(answer.body or b"{}")["code"]) == (503, "overloaded")
        assert int(answer.headers["Retry-After"]) >= 1
        async with as_user(full, sessions[0]) as user:
            problem(await user.get("/v1/sessions/me/events"), 503, "overloaded")
            good(await user.get("/v1/sessions/me"))
        for opened, tab in zip(sessions[1:], tabs, strict=True):
            await hear(service, opened, [tab])
        async with events:
            pass

        async def has_room() -> bool:
            async with as_user(full, sessions[0]) as user, user.stream("GET", "/v1/sessions/me/events") as again:
                return again.status_code == 200

        await eventually(has_room)


async def test_52_a_tab_that_pauses_is_given_one_snapshot_for_all_it_missed(hub_cluster: Cluster, node: Node) -> None:
    """Its neighbour's changes come as soon as ever meanwhile."""
    opened = await log_in(hub_cluster, node)
    async with await open_tab(node, opened.token) as neighbour, as_service(node) as service:
        await neighbour.until_live()
        slow = await stalled(node, opened)
        await flood(service, opened, neighbour)
        heard = await read_until_at(slow, neighbour.position)
        assert [frame["reason"] for frame in heard if frame["type"] == "snapshot"] == ["new", "reload"]
        assert sum(frame["type"] == "change" for frame in heard) < PADS
        await slow.close()


async def test_52_a_tab_that_does_not_read_at_all_is_closed_as_slow(hub_cluster: Cluster) -> None:
    """4002 for one that reads again in time to hear it, a cut for one that does not; not for their neighbour."""
    node = hub_cluster.node(CRIPPLED, CRIPPLES="impatient")
    opened = await log_in(hub_cluster, node)
    async with await open_tab(node, opened.token) as neighbour, as_service(node) as service:
        await neighbour.until_live()
        late, never = await stalled(node, opened), await stalled(node, opened)
        await flood(service, opened, neighbour)
        await asyncio.sleep(IMPATIENT_SECONDS)  # no guess: by now both have been stuck for too long
        assert await code_of(late) == 4002

        async def is_counted_out() -> bool:
            return bool(good(await service.get(f"/v1/sessions/{opened.sid}"))["connections"] == 1)

        async with in_time("the node holds on to it"):
            await eventually(is_counted_out, 2 * SLOW_SECONDS)
        assert await code_of(never) == 1006
        await hear(service, opened, [neighbour])


async def flood(service: httpx.AsyncClient, opened: Opened, neighbour: Tab) -> None:
    """More than a tab that does not read can be sent; one that does has each change at once."""
    waits = [await seconds_until_heard(service, opened, neighbour, number) for number in range(PADS)]
    assert max(waits) < NEIGHBOUR_SECONDS, sorted(waits)[-5:]


async def stalled(node: Node, opened: Opened) -> ClientConnection:
    """A tab with small buffers that reads only when told to."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", node.port))
    return await connect(
        f"{node.ws_url}/v1/sessions/me/live",
        sock=raw,
        subprotocols=[Subprotocol("hub.v1")],
        additional_headers=bearer(opened.token),
        compression=None,
        max_size=2**22,
        max_queue=1,
        ping_interval=None,
        proxy=None,
        close_timeout=1,
    )


async def seconds_until_heard(service: httpx.AsyncClient, opened: Opened, tab: Tab, number: int) -> float:
    """Commit something large; how long until a tab has it."""
    since = time.monotonic()
    done = good(await merge(service, opened.sid, {"profile": {"pad": f"{number:09}" * (PAD_BYTES // 9)}}))
    await tab.until(lambda tab: tab.position == done["position"])
    return time.monotonic() - since


async def read_until_at(tab: ClientConnection, position: str) -> list[dict[str, str]]:
    """Read on, up to a position."""
    heard: list[dict[str, str]] = []
    async with in_time("the tab never caught up"):
        while not heard or heard[-1].get("position") != position or heard[-1]["type"] != "live":
            heard.append(json.loads(await tab.recv()))
    return heard


@asynccontextmanager
async def in_time(otherwise: str) -> AsyncIterator[None]:
    """What must be done within some seconds; if it is not, that is an assertion which fails."""
    try:
        async with asyncio.timeout(SLOW_SECONDS):
            yield
    except TimeoutError:
        raise AssertionError(otherwise) from None


async def code_of(tab: ClientConnection) -> int | None:
    """Read to the end."""
    try:
        async with in_time("the tab was never closed"):
            while True:
                await tab.recv()
    except ConnectionClosed:
        return tab.close_code
