"""What every request meets first and every answer last.

Request ids, unknown hosts, headers that are too large, and errors made into problems: whatever happens
behind, the caller gets a clear answer without a traceback, an address of the store or a key.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.problems import problem
from hub.core.limits import MAX_HEADER_BYTES
from hub.errors import HeadersTooLarge, HubError, Malformed, MethodNotAllowed, NotFound, UnknownHost
from hub.telemetry import metrics, security

FROM_UPSTREAM = "hub.from_upstream"
"""Set in the scope by the gateway when an answer is an upstream's own."""

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}

_BEGINNINGS = ("http.response.start", "websocket.http.response.start", "websocket.accept", "websocket.close")

log = logging.getLogger("hub.api")


def request_id_of(scope: Scope) -> str:
    """The id of this request."""
    request_id: str = scope["state"]["request_id"]
    return request_id


class Edge:
    """The outermost application."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = Problems(app), frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope["state"] = {**scope.get("state", {}), "request_id": secrets.token_hex(8)}
        marked = _Marked(scope, send)
        try:
            self._check(scope)
        except HubError as error:
            await marked.refuse(error, receive)
            return
        await self._app(scope, receive, marked.send)

    def _check(self, scope: Scope) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        target = len(scope.get("raw_path") or scope["path"]) + len(scope.get("query_string", b""))
        if max(size, target) > MAX_HEADER_BYTES:
            raise HeadersTooLarge(limit_bytes=MAX_HEADER_BYTES)
        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise UnknownHost


class Problems:
    """Makes problems of what is raised behind it. Stands inside CORS too, so that a listed page can read refusals."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(scope, send)
        try:
            await self._app(scope, receive, answer.send)
        except HubError as error:
            security.refused(error, address=scope["state"].get("address", ""), purpose="api")
            await answer.refuse(error, receive)
        except HTTPException as error:
            await answer.refuse(_translate(error), receive)
        except ConnectionError:
            return  # the caller has gone
        except Exception:
            metrics.INTERNAL_ERRORS.add()
            log.exception("unexpected", extra={"request_id": request_id_of(scope), "path": scope["path"]})
            await answer.refuse(HubError(), receive)


class _Answer:
    """The answer to one request: passed on, or replaced by a problem while it has not begun."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._begun = False

    async def send(self, message: Message) -> None:
        self._begun |= message["type"] in _BEGINNINGS
        await self._send(message)

    async def refuse(self, error: HubError, receive: Receive) -> None:
        if self._begun:
            return  # half an answer is out: all that is left is to break off
        response = problem(error, request_id_of(self._scope))
        if self._scope["type"] == "websocket":
            await self._deny(response)
            return
        await response(self._scope, receive, self.send)

    async def _deny(self, response: Response) -> None:
        await self.send(
            {
                "type": "websocket.http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
        await self.send({"type": "websocket.http.response.body", "body": response.body})


class _Marked(_Answer):
    """The same, marked on its way out as an answer of this hub."""

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = request_id_of(self._scope)
            is_own = not self._scope.get(FROM_UPSTREAM)
            metrics.ANSWERS.add("hub" if is_own else "app", metrics.status_class(message["status"]))
            if is_own:
                headers["x-hub-response"] = "1"
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
        await super().send(message)


def _translate(error: HTTPException) -> HubError:
    """What the framework refuses by itself."""
    match error.status_code:
        case 404:
            return NotFound()
        case 405:
            allow = (error.headers or {}).get("Allow", "")
            return MethodNotAllowed(allowed=[name.strip() for name in allow.split(",") if name])
        case _:
            return Malformed(str(error.detail))
