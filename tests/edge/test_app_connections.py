"""What an app keeps open through the gateway ends with the session: its WebSocket, and its stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.support.answers import good
from tests.support.nodes import Cluster, Node
from tests.support.ports import free_port
from tests.support.tabs import Opened, as_service, log_in

pytestmark = pytest.mark.edge


class App:
    """Echoes over WebSockets and knows how each of them was closed."""

    def __init__(self) -> None:
        self.codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def talk(self, socket: ServerConnection) -> None:
        try:
            async for message in socket:
                await socket.send(message)
        except ConnectionClosed:
            pass
        await self.codes.put(socket.close_code)


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster) -> tuple[Node, Node, int, int]:
    """Two nodes; app ``a`` speaks WebSocket, app ``b`` streams, each on a port of its own."""
    sockets, streams = free_port(), free_port()
    settings = {
        "HUB_APPS__A__UPSTREAM": f"http://127.0.0.1:{sockets}",
        "HUB_APPS__B__UPSTREAM": f"http://127.0.0.1:{streams}",
    }
    nodes = [hub_cluster.node("hub", port=None, **settings) for _ in range(2)]
    return nodes[0], nodes[1], sockets, streams


@pytest.fixture
async def app(place: tuple[Node, Node, int, int]) -> AsyncIterator[App]:
    made = App()
    async with serve(made.talk, "127.0.0.1", place[2]):
        yield made


async def end(node: Node, opened: Opened) -> float:
    """End the session at another node; when the request began."""
    async with as_service(node) as service:
        began = time.monotonic()
        good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
    return began


async def test_an_apps_websocket_closes_with_the_session(
    hub_cluster: Cluster, place: tuple[Node, Node, int, int], app: App
) -> None:
    """Within a second of the request that ends it, at another node: 4500 to the page, and the app is told too."""
    node, other, _, _ = place
    opened = await log_in(hub_cluster, node)
    headers = {"Cookie": f"hub={opened.token}", "Origin": node.url}
    async with connect(f"{node.ws_url}/apps/a/talk", additional_headers=headers, proxy=None) as socket:
        await socket.send("hello")
        assert await socket.recv() == "hello"
        began = await end(other, opened)
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), 5)
        took = time.monotonic() - began
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4500
    assert took < 1
    assert await asyncio.wait_for(app.codes.get(), 5) is not None
    print(f"closed {took * 1000:.0f} ms after the request that ended the session began")


async def test_an_apps_stream_is_cut_with_the_session(hub_cluster: Cluster, place: tuple[Node, Node, int, int]) -> None:
    """An endless answer breaks off within a second; it does not end as if it were whole."""
    node, other, _, port = place
    opened = await log_in(hub_cluster, node)

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"8\r\ndata: 1\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(stream, "127.0.0.1", port)
    client = httpx.AsyncClient(base_url=node.url, cookies={"hub": opened.token}, timeout=10)
    try:
        async with client, client.stream("GET", "/apps/b/events") as answer:
            parts: Any = answer.aiter_raw()
            assert await anext(parts) == b"data: 1\n"
            began = await end(other, opened)
            with pytest.raises(httpx.RemoteProtocolError):
                await anext(parts)
            assert time.monotonic() - began < 1
    finally:
        server.close()
