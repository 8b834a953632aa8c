"""Which of the hub's parts a request is for: the apps behind the gateway, or the hub's own routes, by door and path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.identity.doors import Doors

HOT_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
OWN_PATHS_AT_APPS = ("/v1/", "/auth/", "/client/")


class Apps(Protocol):
    """The gateway."""

    def serves(self, scope: Scope) -> bool:
        """Whether the request is for an app."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Entrance:
    """Requests for apps go to the gateway, all others to the hub's own routes.

    At the operators' own door there is no app; at an app's own host everything is the app's but the few paths that
    its pages need of the hub. At both no other origin may read what the hub answers (``closed``).
    What is asked most (``hot``, by exact path) goes past the router; so do ``sockets``, which also keep what they
    came through for as long as they are open.
    """

    def __init__(
        self,
        doors: Doors,
        *,
        gateway: Apps,
        public: ASGIApp,
        closed: ASGIApp,
        hot: Mapping[str, ASGIApp],
        sockets: Mapping[str, ASGIApp],
    ) -> None:
        self._doors, self._gateway, self._public, self._closed = doors, gateway, public, closed
        self._hot, self._sockets = hot, sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and (socket := self._sockets.get(scope["path"])) is not None:
            await socket(scope, receive, send)
            return
        if (hot := self._hot.get(scope["path"])) is not None and scope.get("method") in HOT_METHODS:
            await hot(scope, receive, send)
            return
        door = self._doors.at(Headers(scope=scope).get("host", ""))
        if not door.is_for_apps or (door.app is not None and _is_of_the_hub(scope["path"])):
            app = self._closed
        else:
            app = self._gateway if self._gateway.serves(scope) else self._public
        await app(scope, receive, send)


def _is_of_the_hub(path: str) -> bool:
    return path.startswith(OWN_PATHS_AT_APPS)


class Framed:
    """Tells the router that it runs inside an application: what it does not find is raised, not answered."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self._router(scope, receive, send)


def cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Pages of these origins may read what ``app`` answers, cookies included."""
    exposed = ["ETag", "Location", "Retry-After", "Idempotency-Replayed", "X-Request-Id"]
    asked = "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Prefer, X-Hub-CSRF, traceparent"
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_credentials=True,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=asked.split(", "),
        expose_headers=exposed,
    )
