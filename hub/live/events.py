"""``GET /v1/sessions/{sid}/events``: the same messages as server-sent events, for where WebSockets do not pass.

Plain ASGI. After an end the stream ends with ``ended``; the ``EventSource`` that comes back then is
answered 204, which stops it for good.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from hub.errors import OwnSessionEnded
from hub.live.admission import Opening
from hub.live.connection import Connection
from hub.live.opening import Live, parse_wish
from hub.live.websocket import Identify, is_of
from hub.live.wires import EVENT_STREAM
from hub.protocol.close_codes import CloseCode

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventsEndpoint:
    """The endpoint; ``sid`` comes from the route. Refusals are raised: they become problems."""

    def __init__(self, live: Live, identify: Identify) -> None:
        self._live, self._identify = live, identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        opening = await self._live.admission.enter()
        try:
            await self._open(scope, _Stream(receive, send), opening)
        finally:
            opening.over()

    async def _open(self, scope: Scope, stream: _Stream, opening: Opening) -> None:
        try:
            principal = await self._identify(scope)
            session = await self._live.sessions.live(principal, scope["path_params"]["sid"])
        except OwnSessionEnded as error:
            if not is_of(error, scope):
                raise
            await stream.start(204)
            await stream.close(CloseCode.ENDED, "")
            return
        wish = parse_wish(scope.get("query_string", b""), Headers(scope=scope).get("last-event-id"))
        connection = self._live.connect(principal, session, wish, EVENT_STREAM, stream)
        await stream.start(200)
        await self._live.run(connection, session, wish, opening, stream.until_gone)


class _Stream:
    """One ASGI response that goes on."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send

    async def start(self, status: int) -> None:
        headers = HEADERS if status == 200 else HEADERS[1:2]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, frame: bytes) -> None:
        try:
            await self._send({"type": "http.response.body", "body": frame, "more_body": True})
        except OSError as error:
            raise ConnectionError(str(error)) from None

    async def close(self, code: CloseCode, reason: str) -> None:
        try:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError as error:
            raise ConnectionError(str(error)) from None

    async def until_gone(self, connection: Connection) -> None:
        """Until the reader has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            continue
