"""Whether the process lives, whether it can serve, and the public keys of context tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from hub.api import answers
from hub.api.routes import Answer, Route
from hub.api.schemas import ref
from hub.protocol.messages import Mode

JSON = "application/json"


class Readiness(Protocol):
    """What a load balancer asks about."""

    @property
    def mode(self) -> Mode: ...
    @property
    def feed(self) -> bool: ...
    @property
    def draining(self) -> bool: ...


def health_routes(ready: Readiness, jwks: Callable[[], Mapping[str, Sequence[Any]]]) -> list[Route]:
    """``/healthz``, ``/readyz`` and ``/.well-known/jwks.json``."""

    async def healthz(request: Request) -> Response:
        return answers.json({"status": "ok"})

    async def readyz(request: Request) -> Response:
        facts = {
            "mode": ready.mode,
            "store": ready.mode != "maintenance",
            "feed": ready.feed,
            "draining": ready.draining,
        }
        is_ready = ready.mode == "live" and ready.feed and not ready.draining
        return answers.json(facts, 200 if is_ready else 503)

    async def keys(request: Request) -> Response:
        response = answers.json(dict(jwks()))
        response.headers["cache-control"] = "public, max-age=300"
        return response

    return [
        Route(
            "GET",
            "/healthz",
            "Answers while the process lives.",
            [Answer(HTTPStatus.OK, "It lives.", JSON, ref("Health"))],
            healthz,
            tag="operation",
            is_public=True,
        ),
        Route(
            "GET",
            "/readyz",
            "Whether the store answers and the feed delivers.",
            [
                Answer(HTTPStatus.OK, "Ready.", JSON, ref("Readiness")),
                Answer(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready.", JSON, ref("Readiness")),
            ],
            readyz,
            tag="operation",
            is_public=True,
        ),
        Route(
            "GET",
            "/.well-known/jwks.json",
            "Public keys of context tokens (RFC 7517), the next one included.",
            [Answer(HTTPStatus.OK, "The keys.", JSON, ref("Jwks"))],
            keys,
            tag="operation",
            is_public=True,
        ),
    ]
