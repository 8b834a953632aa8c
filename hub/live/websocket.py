"""``GET /v1/sessions/{sid}/live``: the WebSocket endpoint (RFC 6455), plain ASGI.

A browser cannot see why an upgrade failed. So only a wrong ``Origin`` and a hub that cannot serve are
refused before accepting; every other refusal is accepted first, said, and closed with its code.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from hub.core.arriving import OPENING
from hub.core.bucket import Bucket
from hub.core.json import dumps
from hub.core.principal import Principal
from hub.core.session import Session
from hub.errors import (
    CsrfRefused,
    Forbidden,
    HubError,
    OwnSessionEnded,
    RateLimited,
    SessionEnded,
    SessionNotFound,
    Unauthenticated,
    Unavailable,
)
from hub.live.admission import Opening
from hub.live.connection import Connection
from hub.live.opening import Live, parse_wish
from hub.live.wires import WEBSOCKET
from hub.protocol.close_codes import CloseCode
from hub.sessions import verdicts
from hub.telemetry import security
from hub.telemetry.security import SecurityEvent, note

SUBPROTOCOL = "hub.v1"
OWN_LIVE_PATH = "/v1/sessions/me/live"

Identify = Callable[[Scope], Awaitable[Principal]]
"""Who is calling. Checks ``Origin`` too; raises what the contract says."""

_CODES: dict[type[HubError], CloseCode] = {
    Unauthenticated: CloseCode.UNAUTHENTICATED,
    OwnSessionEnded: CloseCode.UNAUTHENTICATED,  # and another session was to be followed
    Forbidden: CloseCode.FORBIDDEN,
    SessionNotFound: CloseCode.FORBIDDEN,
    RateLimited: CloseCode.LIMIT,
}


class WebSocketEndpoint:
    """The endpoint; ``sid`` comes from the route, or from ``OWN_LIVE_PATH`` where there was none."""

    def __init__(self, live: Live, identify: Identify) -> None:
        self._live, self._identify = live, identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("path_params", {"sid": "me"})
        socket = _Socket(scope, receive, send)
        await receive()  # websocket.connect
        waited: Opening | None = scope.get("state", {}).get(OPENING)
        opening = waited or await self._live.admission.enter()
        try:
            await self._open(scope, socket, opening)
        finally:
            opening.over()

    async def _open(self, scope: Scope, socket: _Socket, opening: Opening) -> None:
        try:
            principal = await self._identify(scope)
            session = await self._session(principal, scope["path_params"]["sid"])
            wish = parse_wish(scope.get("query_string", b""))
            connection = self._live.connect(principal, session, wish, WEBSOCKET, socket)
        except (CsrfRefused, Unavailable):
            raise  # told as plain HTTP, like any other refusal
        except HubError as error:
            security.refused(error, address=scope.get("state", {}).get("address", ""), purpose="socket")
            await socket.accept()
            await socket.refuse(error)
            return
        await socket.accept()
        await self._live.run(connection, session, wish, opening, self._listen(socket))

    async def _session(self, principal: Principal, sid: str) -> Session:
        session = await self._live.sessions.record(principal, sid)
        if session.ending is not None:
            raise verdicts.over(principal, session)
        return session

    def _listen(self, socket: _Socket) -> Callable[[Connection], Awaitable[None]]:
        async def listen(connection: Connection) -> None:
            loop = asyncio.get_running_loop()
            rate = self._live.messages_per_second
            bucket = Bucket(rate, 2 * rate, loop.time())
            while (frame := await socket.receive_frame()) is not None:
                if not bucket.take(loop.time()):
                    why = "too many messages"
                    note(SecurityEvent.EXCESS_RATE_LIMIT_EXCEEDED, sid=connection.sid, purpose="socket", why=why)
                    connection.act(connection.conversation.on_closing(CloseCode.LIMIT))
                elif isinstance(frame, bytes):
                    connection.act(connection.conversation.on_broken("messages are text"))
                else:
                    connection.act(connection.conversation.on_frame(frame))

        return listen


def is_live(target: bytes) -> bool:
    """Whether this request target is one of a live connection."""
    path = target.partition(b"?")[0]
    return path.startswith(b"/v1/sessions/") and path.endswith(b"/live")


def is_of(error: OwnSessionEnded | SessionEnded, scope: Scope) -> bool:
    """Whether it is the session to be followed that has ended, and not that of an operator who wanted to."""
    return scope["path_params"]["sid"] in ("me", error.sid)


class _Socket:
    """One ASGI WebSocket."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send

    async def accept(self) -> None:
        offered = self._scope.get("subprotocols", [])
        chosen = SUBPROTOCOL if SUBPROTOCOL in offered else None
        await self._send({"type": "websocket.accept", "subprotocol": chosen})

    async def refuse(self, error: HubError) -> None:
        """Say why, then close with the code that says whether to come back."""
        with contextlib.suppress(ConnectionError):
            if isinstance(error, OwnSessionEnded | SessionEnded) and is_of(error, self._scope):
                facts = error.facts
                said = {"reason": facts["reason"], "detail": error.said, "ended_at": facts["ended_at"]}
                await self.send(dumps({"type": "ended", **said}))
                await self.close(CloseCode.ENDED, facts["reason"])
                return
            codes = (code for kind, code in _CODES.items() if isinstance(error, kind))
            code = next(codes, CloseCode.BAD_MESSAGE)
            await self.close(code, error.detail)

    async def receive_frame(self) -> str | bytes | None:
        """The next frame; ``None`` when the caller has gone."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return None
        text: str | None = message.get("text")
        return text if text is not None else message["bytes"]

    async def send(self, frame: bytes) -> None:
        try:
            await self._send({"type": "websocket.send", "text": frame.decode()})
        except OSError as error:
            raise ConnectionError(str(error)) from None

    async def close(self, code: CloseCode, reason: str) -> None:
        # A close frame carries 123 bytes of reason at most (RFC 6455 §5.5).
        short = reason.encode()[:120].decode(errors="ignore")
        try:
            await self._send({"type": "websocket.close", "code": int(code), "reason": short})
        except (OSError, RuntimeError) as error:
            raise ConnectionError(str(error)) from None
