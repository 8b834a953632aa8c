"""Records and histories as they lie in the store, read for somebody who does not trust them.

Nothing is refused here: what does not open is handed on with the reason. A history is read in batches of bounded size,
so a long one takes no more memory than a short one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from redis.exceptions import ResponseError

from hub.core.chain import Chain, position_at
from hub.core.limits import CHECKPOINT_EVERY
from hub.core.position import Position
from hub.core.session import LogIn, Session, is_sid
from hub.core.trail import Finding
from hub.errors import ConfigurationError, Maintenance
from hub.store import keys, records
from hub.store.calls import Calls, Reply
from hub.store.connecting import StoreTls, check, connector
from hub.store.keyring import KeyRing
from hub.store.sealing import MasterKeys, SealBroken

BATCH_BYTES = 512 * 1024
MOST_IN_A_BATCH, FEWEST_IN_A_BATCH = 1024, 4
SCAN_COUNT = 1000
CHAIN_BYTES = 32

_ENTRY_ID = re.compile(rb"([0-9]{1,20})-([0-9]{1,20})")


@dataclass(frozen=True, slots=True)
class Stored:
    """One entry of a stream. ``plain`` is empty where it does not open, and ``finding`` says why."""

    name: str
    revision: int
    chain: bytes
    plain: bytes
    finding: Finding | None = None

    @property
    def is_checkpoint(self) -> bool:
        """Whether it should carry the whole document."""
        return self.revision % CHECKPOINT_EVERY == 0


@dataclass(frozen=True, slots=True)
class Found:
    """A record, as far as it can be read; ``why`` says what cannot. ``now_ms`` is the store's time of reading."""

    sid: str
    now_ms: int
    position: Position | None = None
    data_key: bytes | None = field(default=None, repr=False)
    log_in: LogIn | None = None
    session: Session | None = None
    why: str = ""


class Reader:
    """Reads one store with one key ring. An asynchronous context.

    Raises ``ConfigurationError`` for a store that is not to be trusted, ``HubError`` for one that does not answer.
    """

    def __init__(self, url: str, ring: KeyRing, tls: StoreTls | None = None) -> None:
        try:
            self._connect = connector(url, tls)
        except ValueError as error:
            raise ConfigurationError(f"store_url: {error}") from None
        self._calls = Calls(self._connect, lambda _: None)
        self._masters = MasterKeys({kid: key.secret for kid, key in ring.master.by_kid.items()}, ring.master.active.kid)
        self.chains = [Chain(key.secret) for key in ring.chain.by_kid.values()]

    async def __aenter__(self) -> Self:
        await check(self._connect)
        await self.ask("PING")
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._calls.close()

    async def ask(self, *command: Any) -> Reply:
        """One command; ``None`` where the key holds something else than it should."""
        try:
            return await self._calls.call(*command)
        except ResponseError as error:
            if str(error).startswith("WRONGTYPE"):
                return None
            raise Maintenance(f"The store refuses to be read: {error}") from None

    async def now_ms(self) -> int:
        """The store's time, milliseconds since the epoch."""
        return _milliseconds(await self.ask("TIME"))

    async def sids(self) -> list[str]:
        """All sessions that have a record or a history, sorted."""
        found, cursor = set[str](), b"0"
        while True:
            cursor, names = await self.ask("SCAN", cursor, "MATCH", "hub:{*}:[sh]:*", "COUNT", SCAN_COUNT)
            for name in (name.decode("ascii", "replace") for name in names):
                sid = name.rpartition(":")[2]
                if is_sid(sid) and name in (keys.record(sid), keys.history(sid)):
                    found.add(sid)
            if int(cursor) == 0:
                return sorted(found)

    async def record(self, sid: str) -> Found | None:
        """The record of a session, due or not; ``None`` where there is none."""
        time, flat = await asyncio.gather(self.ask("TIME"), self.ask("HGETALL", keys.record(sid)))
        return _read_record(Found(sid, _milliseconds(time)), records.from_flat(flat), self._masters) if flat else None

    async def first_revision(self, sid: str) -> int | None:
        """Where the history begins; ``None`` where there is none."""
        head = await self.ask("XRANGE", keys.history(sid), "-", "+", "COUNT", 1)
        return int(head[0][0].partition(b"-")[0]) if head else None

    async def entries(self, found: Found, after: int = 0, until: int | None = None) -> AsyncIterator[Stored]:
        """The entries after one revision (with 0: from the beginning), until another, or as far as they go."""
        first, last = f"({after}-0" if after else "-", "+" if until is None else f"{until}-0"
        count = MOST_IN_A_BATCH // 16
        while True:
            batch = await self.ask("XRANGE", keys.history(found.sid), first, last, "COUNT", count)
            for name, fields in batch or ():
                yield _read_entry(found, name, fields)
            if not batch or len(batch) < count:
                return
            first = f"({batch[-1][0].decode()}"
            size = sum(len(value) for _, fields in batch for value in fields)
            count = max(FEWEST_IN_A_BATCH, min(MOST_IN_A_BATCH, BATCH_BYTES * len(batch) // max(1, size)))


def _milliseconds(time: Sequence[bytes]) -> int:
    return int(time[0]) * 1000 + int(time[1]) // 1000


def _read_record(bare: Found, fields: records.Fields, masters: MasterKeys) -> Found:
    sid, now_ms = bare.sid, bare.now_ms
    try:
        position = Position.parse(fields.get(b"position", b"").decode("ascii", "replace"))
    except ValueError:
        position = None
    try:
        data_key = masters.unwrap(sid, fields.get(b"dek", b""))
    except SealBroken as error:
        return Found(sid, now_ms, position, why=f"its data key does not open: {error}")
    try:
        log_in = records.read_log_in(sid, fields, data_key)
        session = records.read_session(sid, fields, masters)
    except SealBroken as error:
        return Found(sid, now_ms, position, data_key, why=str(error))
    if fields[b"status"] not in (b"live", b"ended"):
        return Found(sid, now_ms, position, data_key, log_in, why="it is neither live nor ended")
    return Found(sid, now_ms, position, data_key, log_in, session)


def _read_entry(found: Found, name: bytes, fields: Sequence[bytes]) -> Stored:
    match = _ENTRY_ID.fullmatch(name)
    revision, text = int(match[1]) if match else 0, name.decode("ascii", "replace")
    if match is None or int(match[2]) or not revision:
        finding = Finding("inserted", revision, f"there is an entry {text}, which is no revision: it was inserted")
        return Stored(text, revision, b"", b"", finding)
    if len(fields) != 4 or (fields[0], fields[2]) != (b"e", b"c") or len(fields[3]) != CHAIN_BYTES:
        finding = Finding("unreadable", revision, "it has not the form of an entry")
        return Stored(text, revision, b"", b"", finding)
    try:
        plain = records.open_entry(found.sid, position_at(revision, fields[3]), fields[1], found.data_key or b"")
    except SealBroken:
        finding = Finding("unreadable", revision, "it does not open: it was edited, swapped or moved")
        return Stored(text, revision, fields[3], b"", finding)
    return Stored(text, revision, fields[3], plain)
