"""A WebSocket through the gateway: the app's server is asked first, then messages go both ways until one side closes.

No extensions are offered, so frames pass uncompressed. Close codes pass on where RFC 6455 §7.4 lets one send them. The
connection is cut as soon as ``watch`` says so, whether or not anybody reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Send
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from hub.errors import UpstreamFailed, UpstreamTimeout
from hub.proxy.connection import Head
from hub.proxy.forward import CleanAnswer
from hub.proxy.upstream import Upstream

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
CLOSE_SECONDS = 0.5

NORMAL, GOING_AWAY, NO_STATUS, BAD_GATEWAY = 1000, 1001, 1005, 1014
_SENDABLE = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
_HANDSHAKE = b"sec-websocket-"
_HOST = re.compile(rb"\[?([^\]]+?)\]?(?::(\d{1,5}))?")

Watch = Callable[[], Awaitable[int]]
"""Returns the close code when the connection must not go on."""


async def pass_through(
    upstream: Upstream, head: Head, receive: Receive, send: Send, *, clean: CleanAnswer, watch: Watch
) -> None:
    """Carry one WebSocket out. Raises ``HubError`` while nothing is accepted yet."""
    try:
        connection = await _connect(upstream, head)
    except InvalidStatus as refusal:
        await _relay(refusal, send, clean)
        return
    try:
        assert connection.response is not None
        answer = [
            (name.lower().encode(), value.encode("latin-1")) for name, value in connection.response.headers.raw_items()
        ]
        kept = [(name, value) for name, value in clean(answer) if not name.startswith(_HANDSHAKE)]
        await send({"type": "websocket.accept", "subprotocol": connection.subprotocol, "headers": kept})
        await _run(connection, receive, send, watch)
    finally:
        connection.transport.abort()


async def _connect(upstream: Upstream, head: Head) -> ClientConnection:
    upstream.check()
    protocol = ClientProtocol(_uri(upstream, head), subprotocols=_offered(head), max_size=MAX_MESSAGE_BYTES)
    try:
        async with asyncio.timeout(upstream.timings.connect):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: ClientConnection(protocol, close_timeout=CLOSE_SECONDS, max_queue=4),
                upstream.host,
                upstream.port,
                ssl=upstream.tls,
            )
    except OSError as error:
        raise upstream.on_unreachable() from error
    try:
        async with asyncio.timeout(upstream.timings.first_byte):
            await connection.handshake(_headers(head), user_agent_header=None)
    except BaseException as error:
        connection.transport.abort()
        if isinstance(error, InvalidStatus):
            raise
        if isinstance(error, TimeoutError):
            raise UpstreamTimeout from error
        if isinstance(error, WebSocketException | OSError | EOFError | ValueError):
            raise UpstreamFailed("The app did not take the WebSocket") from error
        raise
    upstream.breaker.on_answer()
    return connection


def _uri(upstream: Upstream, head: Head) -> WebSocketURI:
    """What is asked for, with the ``Host`` the browser sent; where it goes is configuration's alone."""
    path, _, query = head.target.decode("ascii").partition("?")
    host = next((value for name, value in head.headers if name == b"host"), b"")
    match = _HOST.fullmatch(host)
    name, port = (match[1].decode("latin-1"), match[2]) if match else (upstream.host, str(upstream.port).encode())
    default = 443 if upstream.is_secure else 80
    return WebSocketURI(upstream.is_secure, name, int(port) if port else default, path, query)


def _offered(head: Head) -> list[Subprotocol] | None:
    values = [value.decode("latin-1") for name, value in head.headers if name == b"sec-websocket-protocol"]
    return [Subprotocol(part.strip()) for value in values for part in value.split(",") if part.strip()] or None


def _headers(head: Head) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in head.headers
        if name not in (b"host", b"content-length") and not name.startswith(_HANDSHAKE)
    ]


async def _relay(refusal: InvalidStatus, send: Send, clean: CleanAnswer) -> None:
    """The app does not take the upgrade: its own answer goes back."""
    response = refusal.response
    if not 200 <= response.status_code <= 599:
        raise UpstreamFailed("The app answered with a status that does not exist")
    answer = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers.raw_items()]
    kept = [(name, value) for name, value in clean(answer) if name != b"content-length"]
    await send({"type": "websocket.http.response.start", "status": response.status_code, "headers": kept})
    await send({"type": "websocket.http.response.body", "body": bytes(response.body or b"")})


async def _run(connection: ClientConnection, receive: Receive, send: Send, watch: Watch) -> None:
    """Until one side closes, or ``watch`` says that it is over."""
    up = asyncio.create_task(_up(connection, receive))
    down = asyncio.create_task(_down(connection, send))
    over = asyncio.ensure_future(watch())
    tasks: set[asyncio.Future[None] | asyncio.Future[int]] = {up, down, over}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if over.done() and not up.done() and not down.done():
            up.cancel()
            down.cancel()
            await _cut(connection, send, over.result())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _cut(connection: ClientConnection, send: Send, code: int) -> None:
    """Tell both sides at once; whoever does not read in time is not waited for."""
    telling = send({"type": "websocket.close", "code": code, "reason": ""})
    with contextlib.suppress(OSError):  # TimeoutError is one
        async with asyncio.timeout(CLOSE_SECONDS):
            await asyncio.gather(telling, connection.close(GOING_AWAY))


async def _up(connection: ClientConnection, receive: Receive) -> None:
    """From the browser to the app; returns when the browser has closed."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            code = message.get("code", NO_STATUS)
            sent = code if code in _SENDABLE else GOING_AWAY
            await connection.close(sent, message.get("reason") or "")
            return
        text, data = message.get("text"), message.get("bytes")
        with contextlib.suppress(ConnectionClosed):  # then the other direction is about to say so
            await connection.send(text if text is not None else data or b"")


async def _down(connection: ClientConnection, send: Send) -> None:
    """From the app to the browser; returns when the app has closed, and the browser has been told."""
    with contextlib.suppress(OSError):  # the browser has gone, which the other direction notices
        while True:
            try:
                message = await connection.recv()
            except ConnectionClosed:
                break
            kind = "text" if isinstance(message, str) else "bytes"
            await send({"type": "websocket.send", kind: message})
        code, reason = connection.close_code, connection.close_reason
        if code == NO_STATUS:
            code = NORMAL
        await send(
            {"type": "websocket.close", "code": code if code in _SENDABLE else BAD_GATEWAY, "reason": reason or ""}
        )
