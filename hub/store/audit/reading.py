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

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from hub.core.chain import Chain, position_at
from hub.core.limits import CHECKPOINT_EVERY
from hub.core.position import Position
from hub.core.session import LogIn, Session, is_sid
from hub.core.trail import Finding
from hub.errors import ConfigurationError, Maintenance
from hub.store import keys, records
from hub.store.calls import Calls, Reply
from hub.store.connecting import StoreTls, check
from hub.store.keyring import KeyRing
from hub.store.layout import Layout, layout
from hub.store.routed import Routed
from hub.store.sealing import MasterKeys, SealBroken
from hub.store.shards import Shards

BATCH_BYTES = 512 * 1024
MOST_IN_A_BATCH, FEWEST_IN_A_BATCH = 1024, 4
SCAN_COUNT = 1000
WALKS_AT_MOST, WALK_AGAIN_SECONDS = 8, 0.5
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
            self._shards = Shards(url, tls)
        except ValueError as error:
            raise ConfigurationError(f"store_url: {error}") from None
        self._masters = MasterKeys({kid: key.secret for kid, key in ring.master.by_kid.items()}, ring.master.active.kid)
        self.chains = [Chain(key.secret) for key in ring.chain.by_kid.values()]

    async def __aenter__(self) -> Self:
        await self._shards.find()
        for shard in self._shards.all:
            await check(shard.connect)
            await self._ask(shard.calls, "PING")
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._shards.close()

    async def ask(self, *command: Any) -> Reply:
        """One command about a key; ``None`` where the key holds something else than it should."""
        return await self._ask(self._shards.calls, *command)

    async def _ask(self, calls: Calls | Routed, *command: Any) -> Reply:
        try:
            return await calls.call(*command)
        except ResponseError as error:
            if str(error).startswith("WRONGTYPE"):
                return None
            raise Maintenance(f"The store refuses to be read: {error}") from None

    async def now_ms(self, name: str = keys.NODES) -> int:
        """The time of the shard that has a key, milliseconds since the epoch."""
        return _milliseconds(await self._ask(self._shards.calls.of(name), "TIME"))

    async def names(self, pattern: str, count: int) -> AsyncIterator[list[str]]:
        """The keys there are in all shards, some at a time; one may come twice. Raises ``Maintenance`` where slots keep
        moving: a key may have gone from a shard not yet walked to one that was."""
        for _ in range(WALKS_AT_MOST):
            before = await self._layout()
            for shard in list(self._shards.all):
                cursor = b"0"
                while True:
                    cursor, found = await self._ask(shard.calls, "SCAN", cursor, "MATCH", pattern, "COUNT", count)
                    yield [name.decode("ascii", "replace") for name in found]
                    if int(cursor) == 0:
                        break
            if before == await self._layout() and not before.moving:
                return
            await asyncio.sleep(WALK_AGAIN_SECONDS)
        raise Maintenance("Slots of the cluster are on their way; once they have arrived, all can be walked")

    async def _layout(self) -> Layout:
        try:
            return await layout(self._shards)
        except NoPermissionError:
            raise Maintenance("This user may not ask CLUSTER NODES, so nobody knows whether that was all") from None
        except (RedisError, OSError):
            raise Maintenance from None

    async def sids(self) -> list[str]:
        """All sessions that have a record or a history, sorted."""
        found = set[str]()
        async for names in self.names("hub:{*}:[sh]:*", SCAN_COUNT):
            for name in names:
                sid = name.rpartition(":")[2]
                if is_sid(sid) and name in (keys.record(sid), keys.history(sid)):
                    found.add(sid)
        return sorted(found)

    async def record(self, sid: str) -> Found | None:
        """The record of a session, due or not; ``None`` where there is none."""
        now_ms, flat = await asyncio.gather(self.now_ms(keys.record(sid)), self.ask("HGETALL", keys.record(sid)))
        return _read_record(Found(sid, now_ms), records.from_flat(flat), self._masters) if flat else None

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
