"""Changes: the immutable facts a session's history is made of.

A history entry is the JSON text of one change, kept byte for byte: the chain is computed over it. Its
position is not part of it, because the tag follows from the chain over the entry itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from hub.core.document import Op
from hub.core.json import Object, dumps
from hub.core.position import Position

Kind: TypeAlias = Literal["open", "commit", "reveal", "end"]


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a session, from ``base`` (none for the first) to ``position``.

    ``at`` is RFC 3339 UTC with milliseconds. ``commit`` is the author's idempotency key, if any.
    ``document`` is the whole document after the change, on the first and on every checkpoint. A ``reveal`` changes
    nothing: somebody was shown real values, for this ``reason``; ``revealed`` says which ``sections`` (all, where they
    are not named) as they were at which ``position``.
    """

    kind: Kind
    base: Position | None
    position: Position
    ops: list[Op]
    actor: str
    at: str
    request_id: str = ""
    commit: str | None = None
    document: Object | None = None
    reason: str | None = None
    revealed: Object | None = None


def encode_entry(
    *,
    kind: Kind,
    base: Position | None,
    revision: int,
    ops: list[Op],
    actor: str,
    at: str,
    request_id: str,
    commit: str | None = None,
    document: Object | None = None,
    before: bytes = b"",
    reason: str | None = None,
    revealed: Object | None = None,
) -> bytes:
    """The plaintext of one history entry. Members that say nothing are left out.

    ``before`` is the chain value before a checkpoint: what is older may be trimmed, and the chain still be checked.
    """
    entry: Object = {"kind": kind, "revision": revision, "base": str(base) if base else None}
    entry |= {"ops": ops, "actor": actor, "at": at, "request_id": request_id}
    optional = {"commit": commit, "document": document, "before": before.hex() or None, "reason": reason}
    optional["revealed"] = revealed
    return dumps(entry | {name: value for name, value in optional.items() if value is not None})


def decode_entry(entry: Object, position: Position) -> Change:
    """A stored entry, read back, at the position its chain value gives it."""
    base = entry["base"]
    return Change(
        kind=entry["kind"],
        base=Position.parse(base) if base else None,
        position=position,
        ops=entry["ops"],
        actor=entry["actor"],
        at=entry["at"],
        request_id=entry["request_id"],
        commit=entry.get("commit"),
        document=entry.get("document"),
        reason=entry.get("reason"),
        revealed=entry.get("revealed"),
    )
