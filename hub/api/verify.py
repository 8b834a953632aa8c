"""The route of forward-auth, ``/auth/verify``; the judgement itself is the gateway's (``hub.proxy.verify``)."""

from __future__ import annotations

from http import HTTPStatus
from typing import get_args

from starlette.types import ASGIApp

from hub.api.routes import Answer, Method, Parameter, Route

VERIFY_PATH = "/auth/verify"
IDENTITY = ("X-Hub-Session", "X-Hub-User", "X-Hub-Sid", "X-Hub-Position", "traceparent")


def verify_routes(app: ASGIApp) -> list[Route]:
    """One route for every method: some proxies ask with the method of the request they ask about."""
    return [_route(method, app) for method in get_args(Method)]


def _route(method: Method, app: ASGIApp) -> Route:
    return Route(
        method,
        VERIFY_PATH,
        "Forward-auth: may this request go on to the app, and as whom? For proxies with the app's verify key.",
        [
            Answer(HTTPStatus.OK, "It may; identity is in the headers, empty where nobody is.", headers=IDENTITY),
            Answer(HTTPStatus.FOUND, "With `redirect=1`, for navigations: to the log-in.", headers=("Location",)),
        ],
        asgi=app,
        tag="forward-auth",
        parameters=(
            Parameter("app", "query", "Name of the app.", required=True),
            Parameter("redirect", "query", "`1`: lead navigations without a session to the log-in."),
            Parameter("X-Hub-Verify-Key", "header", "The app's verify key; without it there is nothing here."),
            Parameter("X-Forwarded-Method", "header", "The original method, from trusted proxies."),
            Parameter("X-Forwarded-Uri", "header", "The original path and query, from trusted proxies."),
        ),
        problems=(401, 403, 404, 421, 431, 503),
        is_public=True,
    )
