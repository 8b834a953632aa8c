"""Sessions in the store: opened, read, committed to, touched and ended, each by one atomic script."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Sequence

from hub.core.chain import Chain
from hub.core.limits import IDEMPOTENCY_SECONDS
from hub.core.ports import (
    CommitOutcome,
    Conflict,
    Done,
    IdempotencyKey,
    Missing,
    Over,
    Remembered,
    Revision,
)
from hub.core.position import Position
from hub.core.session import Session, user_tag
from hub.errors import Maintenance, Unavailable, Unconfirmed
from hub.store import keys, records
from hub.store.calls import OutcomeUnknown, Reply
from hub.store.clock import Clocks
from hub.store.opened import OpenedRecords
from hub.store.routed import Routed
from hub.store.scripts import Scripts, UnfitHistory
from hub.store.sealing import MasterKeys, SealBroken
from hub.telemetry.security import SecurityEvent, note

FIND_OUT_SECONDS = 2.0
ASK_AGAIN_SECONDS = 0.05
LISTING_SECONDS = 0.1
MOST_QUARANTINED = 10_000

log = logging.getLogger("hub.store")


class Records:
    """Reads and writes of single sessions. ``Ends`` and ``Histories`` stand beside it."""

    def __init__(
        self,
        calls: Routed,
        scripts: Scripts,
        clock: Clocks,
        masters: MasterKeys,
        chain: Chain,
        index_key: bytes,
    ) -> None:
        self.calls, self.scripts, self.clock = calls, scripts, clock
        self.masters, self.chain = masters, chain
        self._index_key = index_key
        self.opened = OpenedRecords()
        self._quarantined: dict[str, None] = {}  # records that did not open when they were read last

    def tag_of(self, issuer: str, user: str) -> str:
        return keys.tag_of_user(self._index_key, issuer, user)

    def new_sid(self, issuer: str, user: str) -> str:
        return f"{self.tag_of(issuer, user)}-{secrets.token_urlsafe(16)}"

    # listing

    async def list_until(self, sid: str, deadline_ms: int) -> None:
        """Keep the deadline that listing and sweeping go by; best effort, repaired by use."""
        await self._list("ZADD", keys.all_shard(sid), deadline_ms, sid)

    async def unlist(self, sid: str) -> None:
        """It is over; best effort as well."""
        await self._list("ZREM", keys.all_shard(sid), sid)

    async def _list(self, *command: str | int) -> None:
        """The listing is another shard's business: one that is slow or away holds nobody up."""
        listing = asyncio.ensure_future(self.calls.call(*command))
        await asyncio.wait([listing], timeout=LISTING_SECONDS)
        if not listing.done() or listing.exception() is not None:
            log.warning("a deadline was not listed", extra={"sid": command[-1]})

    # read

    async def read_raw(self, sid: str) -> Session | None:
        """The session as the record has it, whether it is due or not."""
        session, _ = await self.read_with_key(sid, None)
        return session

    async def read_with_key(self, sid: str, key: IdempotencyKey | None) -> tuple[Session | None, Remembered | None]:
        """Record and remembered answer, read in one turn."""
        record = self.calls.call_on_time("HGETALL", keys.record(sid))
        answer = None if key is None else self.calls.call("GET", self._idempotency(sid, key))
        flat = await record
        remembered = None
        if key is not None and answer is not None and (said := await answer):
            remembered = self._remembered(key, said)
            await self._confirm(self._idempotency(sid, key))
        return self._session(sid, flat), remembered

    async def _confirm(self, remembered_at: str) -> None:
        """An answer given again is worth what the first one was: its key's life starts anew, which is a write, and what
        that waits for includes the commit. Raises ``Unconfirmed``."""
        if self.calls.durability.is_local:
            return
        answered = await self.calls.call_durably("EXPIRE", remembered_at, IDEMPOTENCY_SECONDS)
        if not self.calls.is_durable(answered):
            raise Unconfirmed

    def _session(self, sid: str, flat: Sequence[bytes]) -> Session | None:
        if not flat:
            return None
        session = self.opened.get(sid, flat)
        try:
            if session is None:
                session = records.read_session(sid, records.from_flat(flat), self.masters)
                self.opened.put(sid, flat, session)
        except SealBroken as error:
            note(SecurityEvent.SESSION_QUARANTINED, sid=sid, why=str(error))
            self._quarantine(sid)
            return None
        self._quarantined.pop(sid, None)
        return session

    def _quarantine(self, sid: str) -> None:
        """What this node remembers of it must not be written over what it found: nobody could read the result."""
        self._quarantined[sid] = None
        if len(self._quarantined) > MOST_QUARANTINED:
            del self._quarantined[next(iter(self._quarantined))]

    async def positions(self, sids: Sequence[str]) -> dict[str, Position | None]:
        """Where live sessions stand, asked in one turn; ``None`` for one that is over or gone. Without those whose
        shard does not answer."""
        asked = [self.calls.call("HMGET", keys.record(sid), "status", "position") for sid in sids]
        found, positions = await asyncio.gather(*asked, return_exceptions=True), dict[str, Position | None]()
        for sid, answer in zip(sids, found, strict=True):
            if isinstance(answer, BaseException):
                if not isinstance(answer, Unavailable):
                    raise answer
                continue
            status, position = answer
            positions[sid] = _position(position) if status == b"live" and position else None
        return positions

    # commit

    async def commit(self, before: Session, after: Revision, key: IdempotencyKey | None) -> CommitOutcome:
        sid = before.sid
        if sid in self._quarantined:
            return Missing()
        sealed = records.seal_entry(sid, after.position, after.entry, before.data_key)
        answer = self._to_remember(key, before.position, after.position, True) if key else ""
        try:
            answered = await self.scripts.append_durably(
                "commit",
                [
                    keys.record(sid),
                    keys.history(sid),
                    self._idempotency(sid, key) if key else keys.record(sid),
                    keys.channel(user_tag(sid)),
                ],
                [
                    str(before.position),
                    str(after.position),
                    after.chain,
                    records.seal_document(sid, after.position, after.document, before.data_key),
                    sealed,
                    published_change(sid, after.position, sealed),
                    after.position.revision,
                    after.trim_below,
                    answer,
                    IDEMPOTENCY_SECONDS,
                ],
            )
        except OutcomeUnknown:
            return await self._find_out(before, after)
        except UnfitHistory:
            note(SecurityEvent.SESSION_QUARANTINED, sid=sid, why="its history is not where it is")
            return Missing(is_unfit=True)
        if answered.reply[0] in (b"done", b"replay") and not self.calls.is_durable(answered):
            raise Unconfirmed
        return self._commit_outcome(sid, answered.reply, key)

    def _commit_outcome(self, sid: str, reply: Reply, key: IdempotencyKey | None) -> CommitOutcome:
        match reply[0]:
            case b"done":
                self.clock.heard(sid, int(reply[1]))
                return Done()
            case b"replay" if key is not None:
                return self._remembered(key, reply[1])
            case b"missing":
                return Missing()
        self.clock.heard(sid, int(reply[1]))
        session = self._session(sid, reply[2])
        if session is None:
            return Missing()
        return Over(session) if reply[0] == b"over" else Conflict(session)

    async def _find_out(self, before: Session, after: Revision) -> CommitOutcome:
        """The store was asked and did not answer: see whether history has the chain that was computed."""
        revision = f"{after.position.revision}-0"
        if not self.calls.durability.is_local:
            raise Unconfirmed  # it is not enough that it is there; who asks again under its key has that confirmed
        try:
            async with asyncio.timeout(FIND_OUT_SECONDS):
                found = await self._ask_when_it_answers("XRANGE", keys.history(before.sid), revision, revision)
        except TimeoutError:
            raise Unconfirmed from None
        if not found:
            raise Unconfirmed
        if records.from_flat(found[0][1]).get(b"c") == after.chain:
            return Done()
        session = await self.read_raw(before.sid)
        return Missing() if session is None else Over(session) if session.ending else Conflict(session)

    async def _ask_when_it_answers(self, *command: str) -> Reply:
        """Right after a failure calls are refused until a probe has found the store again."""
        while True:
            try:
                return await self.calls.call(*command)
            except Maintenance:
                await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def remember(self, sid: str, key: IdempotencyKey, unchanged_at: Position) -> None:
        answer = self._to_remember(key, unchanged_at, unchanged_at, False)
        command = ("SET", self._idempotency(sid, key), answer, "EX", IDEMPOTENCY_SECONDS, "NX")
        if not self.calls.is_durable(await self.calls.call_durably(*command)):
            raise Unconfirmed

    def _idempotency(self, sid: str, key: IdempotencyKey) -> str:
        return keys.idempotency(sid, keys.digest(self._index_key, key.actor.encode(), key.key.encode()))

    def _body_digest(self, key: IdempotencyKey) -> str:
        return hmac.digest(self._index_key, key.body, hashlib.sha256).hex()[:32]

    def _to_remember(self, key: IdempotencyKey, base: Position, position: Position, changed: bool) -> str:
        return f"{self._body_digest(key)} {base} {position} {int(changed)}"

    def _remembered(self, key: IdempotencyKey, answer: bytes) -> Remembered:
        digest, base, position, changed = answer.decode().split(" ")
        return Remembered(
            is_same_body=hmac.compare_digest(digest, self._body_digest(key)),
            base=Position.parse(base),
            position=Position.parse(position),
            changed=changed == "1",
        )

    # touch

    async def touch(self, session: Session, idle_ms: int) -> int | None:
        reply = await self.scripts.run("touch", [keys.record(session.sid)], [idle_ms])
        if reply is None:
            return None
        deadline = min(int(reply[0]), session.expires_ms)
        await self.list_until(session.sid, deadline)
        return deadline


def _position(text: bytes) -> Position | None:
    """A position in a record; ``None`` for what somebody else wrote there."""
    try:
        return Position.parse(text.decode())
    except ValueError:
        return None


def published_change(sid: str, position: Position, sealed: bytes) -> bytes:
    """What the feed carries for a change."""
    return f"c {sid} {position} ".encode() + sealed
