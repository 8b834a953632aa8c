"""Sessions, changes and documents for tests of the protocol: a small history with real positions."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from hub.core.change import Change
from hub.core.document import Op, apply
from hub.core.position import Position
from hub.core.session import Ending, LogIn, Session

SID = "0123456789abcdef-AAAAAAAAAAAAAAAAAAAAAA"
ENDING = Ending("revoked", 1_764_000_000_123, "by the desk")
FIRST: dict[str, Any] = {"a": {"n": 0}, "hidden": {"n": 0}}


def position(revision: int, history: str = "") -> Position:
    """The position of a revision; another ``history`` has another one."""
    return Position(revision, hashlib.sha256(f"{revision}/{history}".encode()).hexdigest()[:8])


def session(document: dict[str, Any] | None = None, at: Position | None = None) -> Session:
    """A live session."""
    return Session(
        sid=SID,
        log_in=LogIn(provider="main", issuer="https://idp", user="ada", auth_time=0, began_ms=0),
        position=at or position(1),
        document=FIRST if document is None else document,
        created_ms=0,
        expires_ms=1_764_000_000_000,
        idle_expires_ms=1_764_000_000_000,
        chain=b"",
        verifier=b"",
        data_key=b"",
    )


def change(
    base: Position, to: Position, ops: list[Op] | None = None, actor: str = "user:ada", commit: str | None = None
) -> Change:
    """A commit from ``base`` to ``to``."""
    return Change("commit", base, to, [] if ops is None else ops, actor, "2026-11-24T10:00:00.123Z", "r", commit)


def chain_of(*revisions: int, history: str = "") -> list[Change]:
    """Changes that end at ``revisions``, each continuing the one before, each setting ``/a/n``."""
    return [
        change(
            position(revision - 1, history if revision > revisions[0] else ""),
            position(revision, history),
            [{"op": "replace", "path": "/a/n", "value": revision}],
        )
        for revision in revisions
    ]


def after(before: Session, heard: Change) -> Session:
    """The session once ``heard`` happened."""
    return replace(before, position=heard.position, document=apply(before.document, heard.ops))
