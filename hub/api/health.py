"""Whether the process lives, whether it can serve, and the public keys of context tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from hub.api import answers
from hub.api.routes import Answer, Handler, Route
from hub.api.schemas import ref
from hub.core.mode import Mode

JSON = "application/json"


class Readiness(Protocol):
    """What a load balancer asks about."""

    @property
    def mode(self) -> Mode:
        """The worst of all parts of the store."""

    @property
    def store_is_there(self) -> bool:
        """Whether any part of it can be read."""

    @property
    def is_serving(self) -> bool:
        """Whether any part of it answers, and what is published there is heard."""

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
            "store": ready.store_is_there,
            "feed": ready.feed,
            "draining": ready.draining,
        }
        good = ready.is_serving and not ready.draining
        return answers.json(facts, 200 if good else 503)

    async def keys(request: Request) -> Response:
        response = answers.json(dict(jwks()))
        response.headers["cache-control"] = "public, max-age=300"
        return response

    lives = Answer(HTTPStatus.OK, "It lives.", JSON, ref("Health"))
    is_ready = Answer(HTTPStatus.OK, "Ready.", JSON, ref("Readiness"))
    is_not = Answer(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready.", JSON, ref("Readiness"))
    listed = Answer(HTTPStatus.OK, "The keys.", JSON, ref("Jwks"))
    return [
        _public("/healthz", "Answers while the process lives.", [lives], healthz),
        _public("/readyz", "Whether the store answers and the feed delivers.", [is_ready, is_not], readyz),
        _public("/.well-known/jwks.json", "Public keys of context tokens (RFC 7517).", [listed], keys),
    ]


def _public(path: str, says: str, can_answer: Sequence[Answer], handler: Handler) -> Route:
    return Route("GET", path, says, can_answer, handler, tag="operation", problems=(421, 431), is_public=True)
