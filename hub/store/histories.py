"""Histories: the stored changes of a session, in order."""

from __future__ import annotations

from hub.core.change import Change
from hub.core.document import apply
from hub.core.json import Object
from hub.core.limits import CHECKPOINT_EVERY
from hub.core.ports import History
from hub.core.position import Position
from hub.core.session import Session
from hub.errors import Compacted
from hub.store import keys, records
from hub.store.calls import Reply
from hub.store.routed import Routed
from hub.store.sealing import SealBroken
from hub.telemetry.security import SecurityEvent, note


class Histories:
    """Reads of histories."""

    def __init__(self, calls: Routed) -> None:
        self._calls = calls

    async def changes(self, session: Session, since: Position, limit: int) -> History:
        """At most ``limit`` changes after ``since``, or why ``since`` cannot be continued from."""
        at = session.position
        if since.revision > at.revision:
            return History((), "ahead")
        if since.revision == at.revision:
            return History((), None if since == at else "fork")
        first = f"{since.revision}-0"
        entries = await self._calls.call("XRANGE", keys.history(session.sid), first, "+", "COUNT", limit + 1)
        if not entries or entries[0][0] != first.encode():
            return History((), "compacted")
        changes = [self._read(session, entry) for entry in entries]
        if changes[0].position != since:
            return History((), "fork")
        return History(changes[1:])

    async def document_at(self, session: Session, position: Position) -> Object | None:
        """Rebuilt from the nearest entry before it that carries the whole document; ``None`` if there is none."""
        first = max(1, position.revision // CHECKPOINT_EVERY * CHECKPOINT_EVERY)
        entries = await self._calls.call("XRANGE", keys.history(session.sid), f"{first}-0", f"{position.revision}-0")
        changes = [self._read(session, entry) for entry in entries]
        if not changes or changes[-1].position != position or changes[0].document is None:
            return None
        document = changes[0].document
        for change in changes[1:]:
            document = apply(document, change.ops)
        return document

    async def change(self, session: Session, revision: int) -> Change | None:
        """One change, if history still has it."""
        name = f"{revision}-0"
        entries = await self._calls.call("XRANGE", keys.history(session.sid), name, name)
        return self._read(session, entries[0]) if entries else None

    def _read(self, session: Session, entry: Reply) -> Change:
        try:
            change, _, _ = records.read_stream_entry(session.sid, entry[0], entry[1], session.data_key)
        except SealBroken as error:
            note(SecurityEvent.CRYPT_DECRYPT_FAIL, sid=session.sid, purpose="history", why=str(error))
            raise Compacted("A part of the history does not open") from None
        return change
