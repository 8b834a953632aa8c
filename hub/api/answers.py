"""Answers: JSON bodies, and sessions, changes and commits as the contract writes them."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from hub.core.access import View
from hub.core.change import Change
from hub.core.json import Json, Object, dumps
from hub.core.session import Session
from hub.core.times import rfc3339
from hub.sessions.commit import Committed

NO_STORE = {"Cache-Control": "no-store"}


def json(value: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that no cache keeps."""
    return Response(dumps(value), status, {**NO_STORE, **(headers or {})}, "application/json")


def nothing(status: int = 204, headers: Mapping[str, str] | None = None) -> Response:
    """An answer without a body."""
    return Response(None, status, {**NO_STORE, **(headers or {})})


def entity_tag(position: object) -> str:
    """A position as an ``ETag``."""
    return f'"{position}"'


def session(of: Session, connections: int) -> Object:
    """A session; never its document."""
    facts: Object = {
        "sid": of.sid,
        "user": of.user,
        "provider": of.log_in.provider,
        "status": "ended" if of.ending else "live",
        "position": str(of.position),
        "created_at": rfc3339(of.created_ms),
        "expires_at": rfc3339(of.expires_ms),
        "idle_expires_at": rfc3339(of.idle_expires_ms),
        "connections": connections,
    }
    if of.ending is not None:
        facts |= {"ended_at": rfc3339(of.ending.at_ms), "reason": of.ending.reason}
    return facts


def change(of: Change, view: View) -> Object:
    """A change as ``view`` may see it: where nothing of it is visible, only that there was one."""
    ops = view.of_ops(of.ops)
    facts: Object = {
        "base": str(of.base) if of.base else None,
        "position": str(of.position),
        "ops": ops,
    }
    if ops:
        facts["actor"] = of.actor
    facts["at"] = of.at
    if ops:
        facts["request_id"] = of.request_id
    return facts


def whole_change(of: Change, view: View) -> Object:
    """A change as an operator sees it: who did it, and why where that was said, also where nothing changed."""
    facts = change(of, view) | {"actor": of.actor, "request_id": of.request_id}
    said = {"reason": of.reason, "revealed": of.revealed}
    return facts | {name: value for name, value in said.items() if value is not None}


def committed(done: Committed, preference: str | None) -> Response:
    """The answer to a commit, as the caller prefers it (RFC 7240)."""
    headers = {"ETag": entity_tag(done.position)}
    if done.replayed:
        headers["Idempotency-Replayed"] = "true"
    if preference is not None:
        headers["Preference-Applied"] = f"return={preference}"
    if preference == "minimal":
        return nothing(headers=headers)
    facts: Object = {
        "base": str(done.base),
        "position": str(done.position),
        "changed": done.changed,
    }
    if done.ops is not None:
        facts["ops"] = done.ops
    if preference == "representation" and done.document is not None:
        facts["document"] = done.document
    return json(facts, headers=headers)
