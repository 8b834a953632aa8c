"""Histories written by the hub's own use case, and what verifying says of them."""

from __future__ import annotations

import pytest

from hub.core import heads
from hub.core.heads import Head
from hub.core.json import dumps
from hub.core.session import Session
from hub.core.trail import Verdict
from hub.sessions.commit import Commits
from hub.store import keys
from hub.store.audit.reading import Reader
from hub.store.audit.verifying import Verifier
from hub.store.store import Store
from tests.sessions import worlds
from tests.store.conftest import Place
from tests.support.sessions import opening, read
from tests.support.tampering import Thief, Vandal

LENGTH = 8


async def judged(reader: Reader, sid: str, *known: Head, history_changes: int = 4096, retention: int = 60) -> Verdict:
    """What verifying says."""
    verifier = Verifier(reader, history_changes=history_changes, retention_ms=retention * 1000)
    return await verifier.verify(sid, known)


def named(verdict: Verdict) -> tuple[int | None, str] | None:
    """What does not fit."""
    return (verdict.finding.revision, verdict.finding.fault) if verdict.finding else None


async def history(store: Store, length: int = LENGTH, history_changes: int = 4096, value: str = "") -> Session:
    """A session that stands at revision ``length``, written by the hub's own use case."""
    session = await opening(store).live()
    commits = Commits(store, store.chain, worlds.sections(), history_changes)
    for number in range(length - 1):
        await commits.commit(worlds.BILLING, session.sid, worlds.merge({"profile": {"name": f"{value}{number}"}}))
    return await read(store, session.sid)


def cut_and_unclose(vandal: Vandal, after: int = 5, ended_ago_ms: int = 61_000) -> None:
    vandal.cut_after(after)
    vandal.roll_record_back()
    vandal.drop_from_record("closed")
    ended = int(vandal.outside.hget(keys.record(vandal.sid), "ended"))
    vandal.set_record(ended=str(ended - ended_ago_ms))


def thief_at(place: Place, sid: str, *, has_chain_key: bool = False) -> Thief:
    """With the master key, and perhaps the chain key."""
    return Thief(place.outside(), sid, place.ring, has_chain_key=has_chain_key)


def logged(caplog: pytest.LogCaptureFixture) -> list[Head]:
    """The heads that were written down, read as a log is read."""
    found = []
    for record in caplog.records:
        if record.name == "hub.audit":
            said = {name: getattr(record, name) for name in ("sid", "position", "chain", "reason", "at", "expires_at")}
            head = heads.read(dumps({"event": record.message, **said}))
            assert head is not None
            found.append(head)
    return found
