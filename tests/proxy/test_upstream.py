"""Connections to an app's server: kept, retried where that is safe, and not tried while it is down."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator

import pytest

from hub.proxy.breaker import FAILURES_TO_OPEN
from hub.proxy.connection import Connection, connect
from tests.proxy.stage import DEADLINE_SECONDS, Serve, app, echo, free_port, hub, raw_server, request, served, talk

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Counting:
    """A server that notes the requests of each connection, and closes it after ``answers`` of them."""

    def __init__(self, answers: int, closing: bytes = b"") -> None:
        self.connections: list[list[bytes]] = []
        self.ended = asyncio.Event()
        self._answers, self._closing = answers, closing

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests: list[bytes] = []
        self.connections.append(requests)
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            requests.append(head.split(b" ")[0])
            if len(requests) > self._answers:
                return
            writer.write(OK)
            if len(requests) == self._answers and self._closing:
                writer.write(self._closing)


@contextlib.asynccontextmanager
async def serving(server: Counting) -> AsyncIterator[int]:
    handle = await asyncio.start_server(_closing_after(server), "127.0.0.1", 0)
    try:
        yield handle.sockets[0].getsockname()[1]
    finally:
        handle.close()


def _closing_after(server: Counting) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await server(reader, writer)
        writer.close()

    return serve


async def test_a_connection_is_used_again() -> None:
    server = Counting(answers=100)
    async with serving(server) as port, hub(app(port, anonymous=True)) as stage:
        for _ in range(5):
            assert (await stage.get("/apps/a/")).body == b"ok"
        assert [len(requests) for requests in server.connections] == [5]


async def test_a_kept_connection_that_was_closed_is_retried_for_idempotent_requests_only() -> None:
    """The server closes at the second request without a word: GET is tried again, POST is told the truth."""
    server = Counting(answers=1)
    async with serving(server) as port, hub(app(port, anonymous=True)) as stage:
        assert (await stage.get("/apps/a/")).status == 200
        assert (await stage.get("/apps/a/")).status == 200
        assert server.connections == [[b"GET", b"GET"], [b"GET"]]
        assert (await stage.get("/apps/a/", "POST", "x")).status == 502
        assert server.connections == [[b"GET", b"GET"], [b"GET", b"POST"]]


async def test_a_request_that_reached_the_app_is_not_sent_twice() -> None:
    """On a fresh connection that closes without an answer, even GET may have been carried out."""
    server = Counting(answers=0)
    async with serving(server) as port, hub(app(port, anonymous=True)) as stage:
        assert (await stage.get("/apps/a/")).status == 502
        assert server.connections == [[b"GET"]]


async def test_an_answer_nobody_asked_for_does_not_become_somebodys() -> None:
    """Bytes after an answer's end: the connection is thrown away with them (response splitting)."""
    server = Counting(answers=1, closing=b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
    async with serving(server) as port, hub(app(port, anonymous=True)) as stage:
        for _ in range(3):
            assert (await stage.get("/apps/a/")).body == b"ok"
        assert server.connections == [[b"GET"]] * 3


async def test_bytes_that_come_while_a_connection_is_idle_end_it() -> None:
    """The next request takes another connection, so nobody reads an answer that was planted beforehand."""
    plant, is_closed = asyncio.Event(), asyncio.Event()
    connections = 0

    async def planting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await plant.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        try:
            await reader.read()
        finally:
            is_closed.set()

    async with raw_server(planting) as port, hub(app(port, anonymous=True)) as stage:
        assert (await stage.get("/apps/a/")).body == b"ok"
        plant.set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await is_closed.wait()
        assert (await stage.get("/apps/a/")).body == b"ok"
        assert connections == 2


async def test_a_connection_that_cannot_be_made_is_tried_once_more_for_idempotent_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """GET gets through at the second try; POST is not tried twice."""
    tries = 0

    async def flaky(host: str, port: int, tls: ssl.SSLContext | None) -> Connection:
        nonlocal tries
        tries += 1
        if tries % 2:
            raise ConnectionRefusedError
        return await connect(host, port, tls)

    async with served(echo) as port, hub(app(port, anonymous=True)) as stage:
        monkeypatch.setattr("hub.proxy.upstream.connect", flaky)
        assert (await stage.get("/apps/a/")).status == 200
        assert tries == 2
        assert (await stage.get("/apps/a/", "POST", "x")).status == 200, "the kept connection"
        stage.gateway.close()
        assert (await stage.get("/apps/a/", "POST", "x")).status == 503
        assert tries == 3


async def test_while_an_app_is_down_it_is_not_tried_and_comes_back_by_itself() -> None:
    """After some failures 503 with ``Retry-After`` at once, without a connection; then one probe finds it again."""
    port = free_port()
    async with hub(app(port, anonymous=True)) as stage, asyncio.timeout(DEADLINE_SECONDS):
        upstream = stage.gateway._upstreams["a"]
        for _ in range(FAILURES_TO_OPEN):
            assert (await stage.get("/apps/a/")).json()["code"] == "upstream_unavailable"
        assert upstream.breaker.is_open
        counting = Counting(answers=100)
        server = await asyncio.start_server(_closing_after(counting), "127.0.0.1", port)
        refused = await stage.get("/apps/a/")
        assert (refused.status, refused.header("retry-after")) == (503, "1")
        assert counting.connections == []
        upstream.breaker.next_try = 0  # the pause is over
        assert (await stage.get("/apps/a/")).status == 200
        assert upstream.breaker.failures == 0
        server.close()


async def test_an_app_that_does_not_even_connect_is_unavailable_in_time() -> None:
    """A full backlog: the connection neither comes nor fails; the deadline of connecting decides."""
    with socket.socket() as full, contextlib.ExitStack() as held:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port: int = full.getsockname()[1]
        for _ in range(8):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        async with hub(app(port, anonymous=True)) as stage:
            reply = await talk(stage.port, request("POST", "/apps/a/", {}, b"x"))
            assert (reply.status, reply.json()["code"]) == (503, "upstream_unavailable")
