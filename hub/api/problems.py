"""Refusals as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from starlette.responses import Response

from hub.core.json import dumps
from hub.errors import HubError

MEDIA_TYPE = "application/problem+json"


def problem(error: HubError, request_id: str) -> Response:
    """The answer that tells a refusal."""
    body = dumps(error.to_problem() | {"request_id": request_id})
    headers = {"Cache-Control": "no-store", **error.headers()}
    return Response(body, int(error.status), headers, MEDIA_TYPE)
