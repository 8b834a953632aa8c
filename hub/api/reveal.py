"""``POST /v1/sessions/{sid}/reveal``: an operator is shown real values, for a reason that is written down."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hub.api import answers, reading
from hub.api.callers import Callers
from hub.api.edge import request_id_of
from hub.api.routes import Answer, Parameter, Route
from hub.api.schemas import SID, ref
from hub.core.json import loads
from hub.errors import Forbidden, Malformed
from hub.sessions.reveal import Look, Reveals

JSON = "application/json"
SHORTEST_REASON, LONGEST_REASON = 3, 500
MOST_SECTIONS = 64
MEMBERS = frozenset({"reason", "sections", "position"})


def reveal_routes(reveals: Reveals, callers: Callers) -> list[Route]:
    """The route."""

    async def reveal(request: Request) -> Response:
        principal = await callers.identify(request.scope)
        operator = callers.operator_of(principal, request.scope)
        if operator is None:
            raise Forbidden("Revealing values is for operators")
        look = await _look(request)
        shown = await reveals.reveal(operator, request.path_params["sid"], look)
        return answers.json(shown.document, headers={"ETag": answers.entity_tag(shown.position)})

    return [
        Route(
            "POST",
            "/v1/sessions/{sid}/reveal",
            "The real values of a document, as it is or was at a position; recorded in the session's history first "
            "(operators). What looks like a credential stays hidden.",
            [Answer(HTTPStatus.OK, "The document, or the sections asked for.", JSON, ref("Document"), ("ETag",))],
            reveal,
            tag="documents",
            parameters=(
                Parameter("sid", "path", "The session.", SID, required=True),
                Parameter("X-Hub-CSRF", "header", "`1`; the cookie is the credential."),
            ),
            bodies={JSON: ref("Look")},
            problems=(400, 401, 403, 404, 409, 410, 413, 415, 421, 422, 429, 431, 503),
        )
    ]


async def _look(request: Request) -> Look:
    """The body. What it does not know is refused: a misspelt ``sections`` must not show the whole document."""
    raw = await reading.body_of(request)
    reading.media_type(request, [JSON])
    value = loads(raw)
    if not isinstance(value, dict) or not value.keys() <= MEMBERS:
        raise Malformed("A reveal has a reason, and if wanted sections and a position; nothing else")
    position = value.get("position")
    if position is not None and not isinstance(position, str):
        raise Malformed("position is a text")
    return Look(
        reason=_reason(value.get("reason")),
        request_id=request_id_of(request.scope),
        sections=_sections(value.get("sections")),
        position=None if position is None else reading.position(position, "position"),
    )


def _reason(value: Any) -> str:
    reason = value.strip() if isinstance(value, str) else ""
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise Malformed(f"reason is a text of {SHORTEST_REASON} to {LONGEST_REASON} characters")
    return reason


def _sections(value: Any) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_SECTIONS:
        raise Malformed(f"sections is a list of 1 to {MOST_SECTIONS} names")
    if not all(isinstance(name, str) for name in value):
        raise Malformed("sections are named by texts")
    return sorted(set(value))
