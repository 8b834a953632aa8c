"""The messages of a live connection: how they are written, and how those from a tab are read.

One JSON object a frame, ``type`` first. Clients ignore types and members they do not know; the hub does
the same, so that both sides can grow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hub.core import asked
from hub.core.access import View
from hub.core.change import Change
from hub.core.json import Object, loads
from hub.core.limits import MAX_FRAME_BYTES
from hub.core.mode import Mode
from hub.core.patch import Patch
from hub.core.position import Position
from hub.core.session import Ending, Session
from hub.core.times import rfc3339
from hub.errors import HubError, Malformed

Message: TypeAlias = dict[str, Any]
SnapshotReason: TypeAlias = Literal["new", "compacted", "fork", "ahead", "view", "reload"]

_COMMIT_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")


# hub → tab


def snapshot(session: Session, view: View, reason: SnapshotReason) -> Message:
    """The whole visible document at a position. It always replaces the copy."""
    return {
        "type": "snapshot",
        "position": str(session.position),
        "view": view.name,
        "reason": reason,
        "session": {
            "sid": session.sid,
            "user": session.user,
            "expires_at": rfc3339(session.expires_ms),
        },
        "document": view.of_document(session.document),
    }


def change(heard: Change, view: View, is_own: bool) -> Message:
    """One change as ``view`` may see it; ``commit`` only for connections of its author."""
    ops = view.of_ops(heard.ops)
    message: Message = {
        "type": "change",
        "base": str(heard.base),
        "position": str(heard.position),
        "ops": ops,
    }
    if ops:
        message["actor"] = heard.actor
    message["at"] = heard.at
    if ops and is_own and heard.commit is not None:
        message["commit"] = heard.commit
    return message


def live(position: Position, view: View) -> Message:
    """Caught up: what the copy shows is what is true."""
    return {"type": "live", "position": str(position), "view": view.name}


def committed(commit_id: str, position: Position, changed: bool) -> Message:
    """The answer to a commit that is in the history, or that had nothing to change."""
    return {"type": "committed", "id": commit_id, "position": str(position), "changed": changed}


def rejected(commit_id: str, error: HubError) -> Message:
    """The answer to a commit that was refused; the problem is that of the HTTP interface."""
    return {"type": "rejected", "id": commit_id, "problem": error.to_problem()}


def mode(name: Mode, retry_after_seconds: int) -> Message:
    """What the hub can do now. ``retry_after_seconds`` is left out when all is well."""
    message: Message = {"type": "mode", "mode": name}
    return message if name == "live" else message | {"retry_after_seconds": retry_after_seconds}


def presence(connections: Sequence[Message]) -> Message:
    """Who is connected: ``[{id, app, since}]``."""
    return {"type": "presence", "connections": list(connections)}


def heartbeat(position: Position | None) -> Message:
    """A sign of life; ``position`` lets a copy notice that it missed something."""
    return {"type": "heartbeat"} | ({"position": str(position)} if position else {})


def ended(ending: Ending) -> Message:
    """The last message: the session is over."""
    return {
        "type": "ended",
        "reason": ending.reason,
        "detail": ending.detail,
        "ended_at": rfc3339(ending.at_ms),
    }


# tab → hub


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """``id`` is the idempotency key. ``patch`` is the intent, ``text`` the frame it came in."""

    id: str
    patch: Patch
    if_position: Position | None
    text: bytes


@dataclass(frozen=True, slots=True)
class BadCommit:
    """A commit that can be answered, but not understood."""

    id: str
    error: Malformed


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a heartbeat."""


@dataclass(frozen=True, slots=True)
class Activity:
    """The user did something."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A type this hub does not know: ignored."""


FromTab: TypeAlias = CommitRequest | BadCommit | Ping | Activity | Unknown


def parse(frame: str | bytes) -> FromTab:
    """Read one frame of a tab. Raises ``Malformed`` for what breaks the protocol (close 4502)."""
    raw = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame
    if len(raw) > MAX_FRAME_BYTES:
        raise Malformed(f"A message has {MAX_FRAME_BYTES} bytes at most")
    message = loads(raw)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise Malformed("A message is an object with a type")
    match message["type"]:
        case "commit":
            return _commit(message, raw)
        case "ping":
            return Ping()
        case "activity":
            return Activity()
        case _:
            return Unknown()


def _commit(message: Object, raw: bytes) -> CommitRequest | BadCommit:
    commit_id = message.get("id")
    if not isinstance(commit_id, str) or not _COMMIT_ID.fullmatch(commit_id):
        raise Malformed("A commit has an id of 16 to 64 characters of A–Z a–z 0–9 _ -")
    try:
        return CommitRequest(commit_id, asked.patch_of(message), asked.if_position_of(message), raw)
    except Malformed as error:
        return BadCommit(commit_id, error)
