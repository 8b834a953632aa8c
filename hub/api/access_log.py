"""One line a request, for those who switch it on: who (as a keyed hash), what, how it went and how long it took.

No query, no header and no name of a user is written down. Off by default: on hot paths a line costs more than the work.
"""

from __future__ import annotations

import logging
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ABOUT = "hub.about"
"""In the scope: a dictionary that those behind fill with ``app``, ``user`` (the sid's user tag) and ``actor``."""

_USER = re.compile(r"^/v1/users/[^/].*/sessions$")

log = logging.getLogger("hub.access")


class AccessLog:
    """The outermost application, where the log is on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        entry = _Entry(scope)

        async def count(message: Message) -> None:
            entry.saw(message)
            await send(message)

        try:
            await self._app(scope, receive, count)
        finally:
            entry.write()


class _Entry:
    """What is known of one request when it is over."""

    def __init__(self, scope: Scope) -> None:
        self._scope, self._began = scope, time.perf_counter()
        self._status: int | None = None
        self._bytes = 0
        scope[ABOUT] = {}

    def saw(self, message: Message) -> None:
        """A part of the answer goes out."""
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self._status = message["status"]
            case "http.response.body" | "websocket.http.response.body":
                self._bytes += len(message.get("body", b""))
            case "websocket.accept":
                self._status = 101
            case "websocket.close":
                self._scope[ABOUT]["close_code"] = message.get("code")
            case "websocket.send":
                self._bytes += len(message.get("text") or message.get("bytes") or "")

    def write(self) -> None:
        """One record."""
        scope = self._scope
        log.info(
            "request",
            extra={
                "request_id": scope.get("state", {}).get("request_id", ""),
                "method": scope.get("method", "WEBSOCKET"),
                "path": _USER.sub("/v1/users/-/sessions", scope["path"]),
                "status": self._status,
                "ms": round((time.perf_counter() - self._began) * 1000, 2),
                "sent_bytes": self._bytes,
                **scope[ABOUT],
            },
        )
