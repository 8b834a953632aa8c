"""WebSockets of apps through the gateway: messages and close codes both ways, and the cut when the session ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from hub.proxy.breaker import FAILURES_TO_OPEN
from hub.proxy.connection import Head
from hub.proxy.upstream import Upstream
from hub.proxy.websocket import pass_through
from tests.identity.worlds import PUBLIC_URL, SID
from tests.proxy.stage import DEADLINE_SECONDS, HOST, QUICK, Hub, app, free_port, hub, raw_server

Handler = Callable[[ServerConnection], Awaitable[None]]
ORIGIN = {"Origin": PUBLIC_URL}


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


@contextlib.asynccontextmanager
async def app_server(handler: Handler = echo, **options: Any) -> AsyncIterator[int]:
    async with serve_websockets(handler, "127.0.0.1", 0, **options) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def tab(stage: Hub, headers: dict[str, str], path: str = "/apps/a/ws", **options: Any) -> dial:
    """A browser's end of a connection."""
    options |= {"host": "127.0.0.1", "port": stage.port}
    return dial(f"ws://{HOST}{path}", additional_headers=headers, proxy=None, **options)


def _tab(stage: Hub, path: str = "/apps/a/ws", **options: Any) -> dial:
    """The same, signed in and from a page of the hub's."""
    return tab(stage, stage.cookie | ORIGIN, path, **options)


async def test_text_and_bytes_go_both_ways_unchanged() -> None:
    """Kinds are kept, large messages pass, path and query arrive as they are."""
    asked: list[Request] = []

    async def noting(socket: ServerConnection) -> None:
        assert socket.request is not None
        asked.append(socket.request)
        await echo(socket)

    async with app_server(noting) as port, hub(app(port)) as stage, _deadline():
        async with _tab(stage, "/apps/a/ws%2F1?x=%20&y") as socket:
            for message in ("", "hé\0", b"", b"\x00\xff", "x" * 1_000_000):
                await socket.send(message)
                assert await socket.recv() == message
        assert asked[0].path == "/apps/a/ws%2F1?x=%20&y"
        headers = asked[0].headers
        assert headers["X-Hub-Sid"] == SID
        assert stage.world.contexts.verify(headers["X-Hub-Session"], ["a"]).sid == SID
        assert headers.get_all("Host") == [HOST]
        assert headers["Origin"] == PUBLIC_URL
        for name in ("Cookie", "Sec-WebSocket-Extensions"):
            assert name not in headers


async def test_the_app_chooses_a_subprotocol_and_never_sees_a_ticket() -> None:
    async with app_server(subprotocols=["v2"]) as port, hub(app(port)) as stage, _deadline():
        offered: Any = ["hub.ticket.secret", "v1", "v2"]
        async with _tab(stage, subprotocols=offered) as socket:
            assert socket.subprotocol == "v2"


@pytest.mark.parametrize(("code", "told"), [(1000, 1000), (1001, 1001), (4567, 4567), (3000, 3000), (1011, 1011)])
async def test_close_codes_pass_both_ways(code: int, told: int) -> None:
    heard: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()

    async def close_or_hear(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            if await socket.recv() == "close":
                await socket.close(code, "by the app")
            await socket.wait_closed()
        await heard.put((socket.close_code, socket.close_reason))

    async with app_server(close_or_hear) as port, hub(app(port)) as stage, _deadline():
        async with _tab(stage) as socket:
            await socket.send("close")
            assert await _closed(socket) == (told, "by the app")
            assert await heard.get() == (code, "by the app")
        async with _tab(stage) as socket:
            await socket.send("wait")
            await socket.close(code, "by the tab")
            assert await heard.get() == (told, "by the tab")


async def test_an_app_that_vanishes_is_a_bad_gateway_and_a_tab_that_vanishes_has_gone_away() -> None:
    heard: asyncio.Queue[int | None] = asyncio.Queue()

    async def vanish(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            if await socket.recv() == "vanish":
                socket.transport.abort()
            await socket.wait_closed()
        await heard.put(socket.close_code)

    async with app_server(vanish) as port, hub(app(port)) as stage, _deadline():
        async with _tab(stage) as socket:
            await socket.send("vanish")
            assert (await _closed(socket))[0] == 1014
            await heard.get()
        async with _tab(stage) as socket:
            await socket.send("wait")
            socket.transport.abort()
            assert await heard.get() == 1001


@pytest.mark.parametrize("code", [4500, 4001])
async def test_the_end_of_the_session_cuts_the_connection_within_a_second(code: int) -> None:
    """With the code that was asked for; the app hears that the tab went away, and nothing passes afterwards."""
    heard: asyncio.Queue[int | None] = asyncio.Queue()

    async def talkative(socket: ServerConnection) -> None:
        await socket.send("more")
        await socket.wait_closed()
        await heard.put(socket.close_code)

    async with app_server(talkative) as port, hub(app(port)) as stage, _deadline(), _tab(stage) as socket:
        assert await socket.recv() == "more"
        await stage.following.wait()
        stage.cut_code = code
        stage.cut.set()
        async with asyncio.timeout(1):
            assert (await _closed(socket))[0] == code
            assert await heard.get() == 1001


async def test_a_tab_that_does_not_read_is_cut_all_the_same() -> None:
    """Its buffers are full, so it cannot even be told; the app's side ends in time."""
    heard, stuck = asyncio.Event(), asyncio.Event()

    async def flood(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                try:
                    async with asyncio.timeout(0.3):
                        await socket.send(b"x" * 100_000)
                except TimeoutError:
                    stuck.set()
                    await socket.wait_closed()
                    break
        heard.set()

    async with app_server(flood) as port, hub(app(port)) as stage, _deadline(), _tab(stage, max_queue=1) as socket:
        await stuck.wait()
        stage.cut.set()
        async with asyncio.timeout(1):
            await heard.wait()
        socket.transport.abort()


async def test_a_cut_waits_for_nobody() -> None:
    """Even if the close frame can never be written, the gateway is done with the connection in time."""
    never, is_accepted = asyncio.Event(), asyncio.Event()

    async def receive() -> Message:
        await never.wait()
        return {}

    async def send(message: Message) -> None:
        if message["type"] == "websocket.accept":
            is_accepted.set()
        else:
            await never.wait()

    async def watch() -> int:
        await is_accepted.wait()
        return 4500

    async with app_server() as port, asyncio.timeout(1):
        upstream = Upstream(f"http://127.0.0.1:{port}", QUICK)
        head = Head("GET", b"/", [(b"host", HOST.encode())])
        await pass_through(upstream, head, receive, send, clean=lambda _: [], watch=watch)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://sibling.example.com"},
        {"Origin": "null"},
        {"Origin": "http://hub.example.com"},
        {"Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_sibling_cannot_open_one_with_the_users_cookie(headers: dict[str, str]) -> None:
    """403 before anything is accepted, and the app is not asked."""
    async with app_server(_must_not_be_asked) as port, hub(app(port)) as stage, _deadline():
        assert await _refusal(stage, stage.cookie | headers) == 403


async def test_without_a_session_an_upgrade_is_refused_and_an_anonymous_app_takes_it() -> None:
    async with app_server() as port, _deadline():
        async with hub(app(port)) as stage:
            assert await _refusal(stage, ORIGIN) == 401
            stage.world.end()
            assert await _refusal(stage, stage.cookie | ORIGIN) == 401
        async with hub(app(port, anonymous=True)) as stage, tab(stage, {"X-Hub-User": "root"}) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"


async def test_an_app_that_does_not_take_the_upgrade_answers_for_itself() -> None:
    """Its status and body pass, its hub-named headers do not; a redirect is not followed."""

    def refuse(socket: ServerConnection, request: Request) -> Response:
        response = socket.respond(418, "no tea")
        response.headers["X-Hub-User"] = "root"
        response.headers["Location"] = "ws://127.0.0.1:1/"
        return response

    async with app_server(process_request=refuse) as port, hub(app(port)) as stage, _deadline():
        with pytest.raises(InvalidStatus) as caught:
            async with _tab(stage):
                pass
        response = caught.value.response
        assert (response.status_code, response.body) == (418, b"no tea")
        assert "X-Hub-User" not in response.headers


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"", 502),
        (b"rubbish\r\n\r\n", 502),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", 502),
        (b"HTTP/1.1 777 Odd\r\nContent-Length: 0\r\n\r\n", 502),
        (None, 504),
    ],
)
async def test_a_broken_app_is_its_own_failure(answer: bytes | None, status: int) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)

    async with raw_server(broken) as port, hub(app(port)) as stage, _deadline():
        assert await _refusal(stage, stage.cookie | ORIGIN) == status


async def test_an_app_that_is_down_is_unavailable_and_counts_for_the_breaker() -> None:
    async with hub(app(free_port())) as stage, _deadline():
        for _ in range(FAILURES_TO_OPEN + 1):
            assert await _refusal(stage, stage.cookie | ORIGIN) == 503
        assert stage.gateway._upstreams["a"].breaker.is_open


async def _must_not_be_asked(socket: ServerConnection) -> None:
    raise AssertionError("the app was asked")


async def _closed(socket: ClientConnection) -> tuple[int | None, str | None]:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code, socket.close_reason


async def _refusal(stage: Hub, headers: dict[str, str]) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with tab(stage, headers):
            pass
    return caught.value.response.status_code


def _deadline() -> asyncio.Timeout:
    return asyncio.timeout(DEADLINE_SECONDS)
