"""``POST /v1/commits``: many commits of a service in one request, one JSON object a line (NDJSON).

Each line is a commit of its own: atomic, answered in its place, and no concern of any other line. Lines of one
session are carried out in their order, those of different sessions side by side, in few journeys to the store.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from hub.api import reading
from hub.api.answers import NO_STORE
from hub.api.callers import Callers
from hub.api.edge import request_id_of
from hub.api.routes import Answer, Route
from hub.core import asked
from hub.core.json import Object, dumps, loads
from hub.core.principal import Principal
from hub.core.session import is_sid
from hub.errors import Forbidden, HubError, Malformed, TooLarge
from hub.sessions.commit import Intent
from hub.sessions.sessions import Sessions
from hub.telemetry import security

NDJSON = "application/x-ndjson"
PLAIN = "text/plain"  # for tools that do not know the other name
MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what it asks, or why it cannot be read."""

    sid: str | None
    asks: Intent | HubError


def batch_routes(sessions: Sessions, callers: Callers) -> list[Route]:
    """The route."""

    async def commit(request: Request) -> Response:
        principal = await callers.identify(request.scope)
        if principal.kind != "service":
            raise Forbidden("Batches are for services")
        reading.media_type(request, [NDJSON, PLAIN])
        lines = _lines(await reading.body_of(request), request_id_of(request.scope))
        results = await asyncio.gather(*(_carry_out(sessions, principal, line) for line in lines))
        body = b"".join(dumps(result) + b"\n" for result in results)
        return Response(body, 200, NO_STORE, NDJSON)

    return [
        Route(
            "POST",
            "/v1/commits",
            "Many commits in one request (services): one JSON object a line, at most 1,000 lines and 1 MiB.",
            [Answer(HTTPStatus.OK, "One result a line, in the same order.", NDJSON, {"type": "string"})],
            commit,
            tag="documents",
            bodies={NDJSON: {"type": "string"}, PLAIN: {"type": "string"}},
            problems=(400, 401, 403, 413, 415, 421, 429, 431, 503),
        )
    ]


def _lines(body: bytes, request_id: str) -> list[Line]:
    raw = [line for line in body.split(b"\n") if line.strip()]
    if len(raw) > MOST_LINES:
        raise TooLarge(f"A batch has {MOST_LINES} lines at most", limit_lines=MOST_LINES, limit_bytes=len(body))
    return [_line(line, request_id) for line in raw]


def _line(raw: bytes, request_id: str) -> Line:
    sid: str | None = None
    try:
        value = loads(raw)
        if not isinstance(value, dict):
            raise Malformed("A line is an object")
        sid = _sid(value)
        return Line(sid, _intent(value, request_id))
    except HubError as error:
        return Line(sid, error)


def _sid(value: Object) -> str:
    sid = value.get("sid")
    if not isinstance(sid, str) or not is_sid(sid):
        raise Malformed("A line names a session: sid")
    return sid


def _intent(value: Object, request_id: str) -> Intent:
    patch = asked.patch_of(value)
    name = "patch" if "patch" in value else "ops"
    body, key = name.encode() + b"\n" + dumps(value[name]), value.get("key")
    if key is not None and not reading.is_key(key):
        raise Malformed("A key has 1 to 64 characters of A–Z a–z 0–9 _ -")
    return Intent(patch, body, request_id, asked.if_position_of(value), key)


async def _carry_out(sessions: Sessions, principal: Principal, line: Line) -> Object:
    named: Object = {} if line.sid is None else {"sid": line.sid}
    try:
        if isinstance(line.asks, HubError):
            raise line.asks
        done = await sessions.commit(principal, line.sid or "", line.asks)
    except HubError as error:
        security.refused(error, sid=line.sid or "", purpose="batch", actor=principal.actor)
        return named | {"status": int(error.status), "problem": error.to_problem()}
    return named | {"status": 200, "position": str(done.position), "changed": done.changed}
