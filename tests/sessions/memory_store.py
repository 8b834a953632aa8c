"""A session store in memory, for tests of the use cases: as atomic as the real one, and it can be told to fail.

Every call yields once to the event loop, so that callers interleave as they do over a network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from hub.core.chain import Chain, position_at
from hub.core.change import Change, decode_entry, encode_entry
from hub.core.document import apply
from hub.core.json import Object
from hub.core.ports import (
    CommitOutcome,
    Conflict,
    Done,
    Ended,
    History,
    IdempotencyKey,
    Missing,
    NewSession,
    Opened,
    Over,
    Remembered,
    Revision,
)
from hub.core.position import Position
from hub.core.session import Ending, EndReason, LogIn, Session, user_tag

TAG = "0123456789abcdef"
START_MS = 1_764_000_000_000


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self, sid: str | None = None) -> int:
        return self.ms


class MemoryStore:
    """Implements ``hub.core.ports.SessionStore``."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.chain = Chain(b"k" * 32)
        self.sessions: dict[str, Session] = {}
        self.histories: dict[str, list[Change]] = {}
        self.remembered: dict[tuple[str, str, str], tuple[bytes, Position, Position, bool]] = {}
        self.reads = self.commits = self.touches = 0
        self.before_commit: Callable[[], None] = lambda: None
        self.failures: list[Exception] = []
        self._read = asyncio.Event()
        self.trims: list[tuple[int, int]] = []
        self.too_early = self.provider_ended = False
        self.connected: list[dict[str, Any]] = []

    async def until_read(self) -> None:
        """Until somebody has read a record once more."""
        self._read = asyncio.Event()
        await self._read.wait()

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)

    def make(self, document: dict[str, Any], sid: str | None = None, **more: Any) -> Session:
        """A live session, at once."""
        sid = sid or self.new_sid("", "")
        entry = encode_entry(
            kind="open", base=None, revision=1, ops=[], actor="user:ada", at="t", request_id="r", document=document
        )
        chain = self.chain.extend(self.chain.start(sid), entry)
        at = position_at(1, chain)
        log_in = LogIn(provider="main", issuer="https://idp", user="ada", auth_time=0, began_ms=0)
        now = self.clock.ms
        whole: dict[str, Any] = {"expires_ms": now + 3_600_000, "idle_expires_ms": now + 600_000} | more
        made = Session(sid, log_in, at, document, now, chain=chain, verifier=b"v", data_key=b"d", **whole)
        self.sessions[sid], self.histories[sid] = made, [decode_entry(orjson.loads(entry), at)]
        return made

    # SessionStore

    def new_sid(self, issuer: str, user: str) -> str:
        return f"{TAG}-{len(self.sessions):022d}"

    def tag_of(self, issuer: str, user: str) -> str:
        return TAG if (issuer, user) == ("https://idp", "ada") else "f" * 16

    async def open(self, new: NewSession) -> Opened | None:
        await self._turn()
        if self.too_early:
            return None
        older = await self.sids_of(user_tag(new.sid))
        deadlines = {"expires_ms": self.clock.ms + new.absolute_ms, "idle_expires_ms": self.clock.ms + new.idle_ms}
        made = self.make(new.document, new.sid, **deadlines)
        return Opened(made, older[: max(0, len(older) + 1 - new.per_user)])

    async def read(self, sid: str) -> Session | None:
        found, _ = await self.read_for_commit(sid, None)
        return found

    def id_token_of(self, session: Session) -> str:
        return session.hint.decode()

    async def read_for_commit(self, sid: str, key: IdempotencyKey | None) -> tuple[Session | None, Remembered | None]:
        await self._turn()
        self.reads += 1
        self._read.set()
        return self._current(sid), self._answer(sid, key)

    def _current(self, sid: str) -> Session | None:
        found = self.sessions.get(sid)
        if found is not None and found.ending is None and (reason := found.due(self.clock.ms)):
            self._end(sid, reason)
        return self.sessions.get(sid)

    def _answer(self, sid: str, key: IdempotencyKey | None) -> Remembered | None:
        found = self.remembered.get((sid, key.actor, key.key)) if key else None
        if found is None or key is None:
            return None
        body, base, position, changed = found
        return Remembered(body == key.body, base, position, changed)

    async def commit(self, before: Session, after: Revision, key: IdempotencyKey | None) -> CommitOutcome:
        self.before_commit()
        await self._turn()
        self.commits += 1
        if (answer := self._answer(before.sid, key)) is not None:
            return answer
        now = self.sessions.get(before.sid)
        if now is None:
            return Missing()
        if now.ending is not None or now.due(self.clock.ms):
            return Over(now)
        if now.position != before.position:
            return Conflict(now)
        self._write(now, after)
        if key is not None:
            self.remembered[before.sid, key.actor, key.key] = (key.body, before.position, after.position, True)
        return Done()

    def _write(self, now: Session, after: Revision) -> None:
        self.sessions[now.sid] = replace(now, position=after.position, chain=after.chain, document=after.document)
        history = self.histories[now.sid]
        history.append(decode_entry(orjson.loads(after.entry), after.position))
        self.trims.append((after.position.revision, after.trim_below))
        self.histories[now.sid] = [each for each in history if each.position.revision >= after.trim_below]

    async def remember(self, sid: str, key: IdempotencyKey, unchanged_at: Position) -> None:
        await self._turn()
        self.remembered.setdefault((sid, key.actor, key.key), (key.body, unchanged_at, unchanged_at, False))

    async def touch(self, session: Session, idle_ms: int) -> int | None:
        await self._turn()
        self.touches += 1
        now = self._current(session.sid)
        if now is None or now.ending is not None:
            return None
        moved = replace(now, idle_expires_ms=min(self.clock.ms + idle_ms, now.expires_ms))
        self.sessions[session.sid] = moved
        return moved.idle_expires_ms

    def _end(self, sid: str, reason: EndReason, detail: str = "") -> int:
        now = self.sessions[sid]
        if now.ending is not None:
            return 0
        self.sessions[sid] = replace(now, document={}, ending=Ending(reason, self.clock.ms, detail), is_closed=True)
        return 1

    async def end(self, sids: Sequence[str], reason: EndReason, *, detail: str, actor: str, request_id: str) -> Ended:
        await self._turn()
        return Ended(sum(self._end(sid, reason, detail) for sid in sids if sid in self.sessions))

    async def end_user(
        self, tag: str, reason: EndReason, *, spared: str | None, detail: str, actor: str, request_id: str
    ) -> Ended:
        sids = [sid for sid in await self.sids_of(tag) if sid != spared]
        return Ended(sum(self._end(sid, reason, detail) for sid in sids))

    async def changes(self, session: Session, since: Position, limit: int) -> History:
        await self._turn()
        history = self.histories[session.sid]
        if since == session.position:
            return History(())
        if since.revision >= session.position.revision:
            return History((), "ahead" if since.revision > session.position.revision else "fork")
        at = [number for number, each in enumerate(history) if each.position == since]
        return History(history[at[0] + 1 :][:limit]) if at else History((), "compacted")

    async def document_at(self, session: Session, position: Position) -> Object | None:
        await self._turn()
        document: Object | None = None
        for change in self.histories[session.sid]:
            if change.position.revision <= position.revision:
                document = change.document if document is None else apply(document, change.ops)
                if change.position == position:
                    return document
        return None

    async def change(self, session: Session, revision: int) -> Change | None:
        await self._turn()
        return next((each for each in self.histories[session.sid] if each.position.revision == revision), None)

    async def note_provider(self, session: Session) -> bool:
        await self._turn()
        return not self.provider_ended

    async def end_at_provider(self, issuer: str, idp_sid: str) -> list[str]:
        await self._turn()
        return [sid for sid, each in self.sessions.items() if each.log_in.idp_sid == idp_sid]

    async def sids_of(self, tag: str) -> list[str]:
        await self._turn()
        return [sid for sid, each in self.sessions.items() if user_tag(sid) == tag and each.ending is None]

    async def sids_from(self, cursor: str | None, limit: int) -> tuple[list[str], str | None]:
        await self._turn()
        sids = [sid for sid in self.sessions if cursor is None or sid > cursor]
        return sids[:limit], sids[limit - 1] if len(sids) > limit else None

    async def connections(self, sid: str) -> list[dict[str, Any]]:
        await self._turn()
        return self.connected
