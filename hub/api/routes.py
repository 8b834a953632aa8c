"""The table of routes: each entry makes a route and its description in the OpenAPI document.

A handler takes a Starlette request and returns a response; refusals are raised. Several methods of one
path become one route here, so that a wrong method is answered with all the right ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.errors import MethodNotAllowed

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
Schema: TypeAlias = Mapping[str, Any]
Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a route."""

    name: str
    place: Literal["path", "query", "header"]
    says: str
    schema: Schema = field(default_factory=lambda: {"type": "string"})
    required: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer a route can give."""

    status: HTTPStatus
    says: str
    media_type: str | None = None
    schema: Schema | None = None
    headers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. ``handler`` for requests, or ``asgi`` for what streams by itself."""

    method: Method
    path: str
    says: str
    answers: Sequence[Answer]
    handler: Handler | None = None
    asgi: ASGIApp | None = None
    websocket: ASGIApp | None = None
    tag: str = "sessions"
    parameters: Sequence[Parameter] = ()
    bodies: Mapping[str, Schema] = field(default_factory=dict)
    body_required: bool = True
    problems: Sequence[int] = ()
    is_public: bool = False


class _Methods:
    """The methods of one path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._apps: dict[str, ASGIApp] = {}
        for route in routes:
            if (app := _app(route)) is not None:
                self._apps[route.method] = app
                if route.method == "GET" and route.asgi is None:  # what streams has no head alone
                    self._apps["HEAD"] = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._apps.get(scope["method"])
        if app is None:
            raise MethodNotAllowed(allowed=sorted(self._apps))
        await app(scope, receive, send)


def _app(route: Route) -> ASGIApp | None:
    if route.handler is None:
        return route.asgi
    handler = route.handler

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handler(Request(scope, receive))
        await response(scope, receive, send)

    return respond


def to_starlette(routes: Sequence[Route]) -> list[BaseRoute]:
    """One Starlette route a path, in the order of the table."""
    by_path: dict[str, list[Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, []).append(route)
    made: list[BaseRoute] = []
    for path, group in by_path.items():
        made += [WebSocketRoute(path, each.websocket) for each in group if each.websocket is not None]
        made.append(StarletteRoute(path, _Methods(group), include_in_schema=False))
    return made
