"""A node that cannot take more says so before it accepts, keeps those it has, and takes more as soon as it can."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.faults.stage import CRIPPLED
from tests.live.test_memory import GIB, MIB, group
from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Opened, Tab, as_service, as_user, log_in, merge, open_tab
from tests.support.waiting import eventually

pytestmark = pytest.mark.edge

FILES = 128
LEFT_TO_CALLERS = FILES - 64
AT_ONCE = 12  # turns of one node
COME = 24


async def hear(node: Node, opened: Opened, tab: Tab) -> None:
    """The tab gets the next change: it is in."""
    async with as_service(node) as service:
        done = good(await merge(service, opened.sid, {"cart": {"n": tab.position}}))
    await tab.until(lambda tab: tab.position == done["position"])


async def is_told(node: Node, opened: Opened) -> bool:
    """Whether the next one is refused as it should be: 503 with a time to come back."""
    try:
        async with await open_tab(node, opened.token):
            return False
    except InvalidStatus as error:
        refused = error.response
    said = json.loads(refused.body or b"{}")
    assert (refused.status_code, said["code"]) == (503, "overloaded")
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["X-Hub-Response"] == "1"
    return True


async def test_openings_that_would_have_to_wait_too_long_are_refused(hub_cluster: Cluster) -> None:
    """Of many at once some are let in and some are told to come back; the one that was in stays and is served."""
    node = await asyncio.to_thread(hub_cluster.node, CRIPPLED, CRIPPLES="crowded")
    opened = await log_in(hub_cluster, node)
    others = [await log_in(hub_cluster, node, f"crowd-{number}") for number in range(COME // 8)]
    async with await open_tab(node, opened.token) as tab:
        await tab.until_live()
        told = await asyncio.gather(*(is_told(node, others[number % len(others)]) for number in range(COME)))
        assert set(told) == {True, False}
        await hear(node, opened, tab)
        async with await open_tab(node, opened.token) as late:
            await late.until_live()


async def test_a_node_short_of_memory_takes_nobody_on_and_puts_nobody_out(hub_cluster: Cluster, tmp_path: Path) -> None:
    """WebSockets and streams are refused, requests are served; when there is memory again, so are they."""
    group(tmp_path, 2, GIB, 100 * MIB, 0)
    node = await asyncio.to_thread(hub_cluster.node, CRIPPLED, CRIPPLES="boxed", CONTROL_GROUP=str(tmp_path))
    opened = await log_in(hub_cluster, node)
    async with await open_tab(node, opened.token) as tab, as_user(node, opened) as user:
        await tab.until_live()
        group(tmp_path, 2, GIB, 1000 * MIB, 0)
        await eventually(lambda: is_told(node, opened))
        problem(await user.get("/v1/sessions/me/events"), 503, "overloaded")
        await hear(node, opened, tab)
        group(tmp_path, 2, GIB, 100 * MIB, 0)

        async def is_taken() -> bool:
            return not await is_told(node, opened)

        await eventually(is_taken)
        assert tab.closed_at is None


async def test_a_node_keeps_files_back_for_itself(hub_cluster: Cluster) -> None:
    """The connection that would take them is told; the tab that is in commits; when some go, others come."""
    node = await asyncio.to_thread(hub_cluster.node)
    opened = await log_in(hub_cluster, node)
    resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
    async with await open_tab(node, opened.token) as tab:
        await tab.until_live()
        with idle_connections(node, 2 * FILES) as idle:
            answers = await asyncio.to_thread(lambda: [first_line(each) for each in idle[-FILES:]])
            assert set(answers) == {b"HTTP/1.1 503 Service Unavailable"}
            await tab.send({"type": "commit", "id": "c" * 20, "patch": {"cart": {"n": 1}}})
            assert (await tab.answer("c" * 20))["type"] == "committed"

        async def is_open() -> bool:
            with contextlib.suppress(InvalidStatus):
                async with await open_tab(node, opened.token) as again:
                    await again.until_live()
                    return True
            return False

        await eventually(is_open)
    assert node.process.poll() is None


@contextmanager
def idle_connections(node: Node, count: int) -> Iterator[list[socket.socket]]:
    """Connections that say nothing."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", node.port), 5)) for _ in range(count)]


def first_line(connection: socket.socket) -> bytes:
    """What the node says before it hangs up."""
    return connection.recv(1000).partition(b"\r\n")[0]


async def test_first_requests_that_all_come_at_once_are_all_answered(node: Node) -> None:
    """More than a node reads in one turn of its loop, some of them in two parts."""
    head = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\n".encode()

    def ask() -> set[bytes]:
        with idle_connections(node, 200) as connections:
            for number, each in enumerate(connections):
                each.sendall(head + b"\r\n" * (number % 2))
            for each in connections[::2]:
                each.sendall(b"\r\n")
            return {first_line(each) for each in connections}

    assert await asyncio.to_thread(ask) == {b"HTTP/1.1 200 OK"}


BAD_HANDSHAKE = "GET /v1/sessions/me/live HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
NO_ROUTE = BAD_HANDSHAKE.replace("/me/", "/me/no/such/").replace(
    "\r\n\r\n", "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
EAGER = NO_ROUTE.replace("/me/no/such/", "/me/") + "\x81\x80\x00\x00\x00\x00"


@pytest.mark.parametrize("request_text", [BAD_HANDSHAKE, NO_ROUTE, EAGER], ids=["bad handshake", "no route", "eager"])
async def test_whoever_fails_to_open_takes_no_turn_along(hub_cluster: Cluster, node: Node, request_text: str) -> None:
    """More than there are turns fail, each in its own way; a tab opens after them."""
    request = request_text.format(host=f"127.0.0.1:{node.port}").encode("latin-1")

    def fail() -> None:
        with idle_connections(node, 2 * AT_ONCE) as connections:
            for each in connections:
                each.sendall(request)
            for each in connections[: -AT_ONCE // 2]:  # the others do not even wait
                with contextlib.suppress(ConnectionError):
                    each.recv(1000)

    await asyncio.to_thread(fail)
    opened = await log_in(hub_cluster, node)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            tab = await stack.enter_async_context(await open_tab(node, opened.token))
            await tab.until_live()


async def test_refused_credentials_take_no_turn_along(hub_cluster: Cluster, node: Node) -> None:
    """Neither event streams nor WebSockets, which are accepted only to be told why they are closed."""
    opened = await log_in(hub_cluster, node)
    for _ in range(2 * AT_ONCE):
        async with await open_tab(node, "hub_st_nobody") as tab:
            await tab.until_closed()
            assert tab.code == 4501
    async with httpx.AsyncClient(base_url=node.url) as nobody:
        for _ in range(2 * AT_ONCE):
            problem(await nobody.get("/v1/sessions/me/events"), 401, "unauthenticated")
    async with await open_tab(node, opened.token) as tab:
        await tab.until_live()
