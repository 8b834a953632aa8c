"""A small configured world for tests of the use cases: sections, callers and ready intents."""

from __future__ import annotations

import json
from typing import Any

from jsonschema_rs import Draft202012Validator

from hub.core.access import Grants
from hub.core.patch import Patch, json_patch, merge_patch
from hub.core.position import Position
from hub.core.principal import Principal
from hub.core.session import Session
from hub.sessions.commit import Commits, Intent
from hub.sessions.rates import Rates
from hub.sessions.sections import Section, Sections
from hub.sessions.sessions import Lifetimes, Sessions
from tests.sessions.memory_store import MemoryStore

SCHEMA = {
    "type": "object",
    "properties": {"theme": {"enum": ["light", "dark"]}, "size": {"type": "integer"}},
    "additionalProperties": False,
}
FIRST: dict[str, Any] = {"profile": {"name": "Ada"}, "preferences": {}, "identity": {"sub": "ada"}, "secret": {"s": 1}}
ALL: Grants = dict.fromkeys(("profile", "preferences", "cart", "secret", "identity"), "write")
BROWSER: Grants = {"profile": "write", "preferences": "write", "cart": "write", "identity": "read"}
BILLING = Principal("service", "billing", ALL, may_list=True, may_end=True)
LIFETIMES = Lifetimes(idle_ms=600_000, absolute_ms=3_600_000, retention_ms=1000, per_user=2)


def sections() -> Sections:
    """The sections of this world; the whole document has 4 KiB, the cart 256 bytes."""
    return Sections(
        [
            Section("profile", "write", {}),
            Section("preferences", "write", validator=Draft202012Validator(SCHEMA)),
            Section("cart", "write", max_bytes=256),
            Section("secret"),
        ],
        4096,
    )


class World:
    """A store and a node on it."""

    def __init__(self, history_changes: int = 1000) -> None:
        self.store = MemoryStore()
        self.sections = sections()
        self.commits = self.node(history_changes)
        self.sessions = Sessions(self.store, self.commits, self.sections, LIFETIMES, Rates(0, 0, lambda: 0.0))

    def node(self, history_changes: int = 1000) -> Commits:
        """One more node's commits."""
        return Commits(self.store, self.store.chain, self.sections, history_changes)

    def make(self, **more: Any) -> Session:
        """A live session."""
        return self.store.make(FIRST, **more)

    def now(self, sid: str) -> Session:
        """The session as the store has it."""
        return self.store.sessions[sid]


def user(session: Session, grants: Grants = BROWSER, *, fresh: bool = True) -> Principal:
    """The session's own user, as a request brings it."""
    return Principal("user", "ada", grants, sid=session.sid, session=session if fresh else None)


def intent(patch: Patch, at: Position | None = None, key: str | None = None, body: bytes = b"") -> Intent:
    """A request to commit."""
    return Intent(patch, body or repr(patch).encode(), "request", at, key)


def merge(value: Any, **more: Any) -> Intent:
    """A merge patch."""
    return intent(merge_patch(value), body=json.dumps(value).encode(), **more)


def ops(*operations: dict[str, Any], **more: Any) -> Intent:
    """A JSON Patch."""
    return intent(json_patch(list(operations)), body=json.dumps(operations).encode(), **more)


def name(text: str, **more: Any) -> Intent:
    """Set the name in the profile."""
    return merge({"profile": {"name": text}}, **more)
