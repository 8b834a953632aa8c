"""What lies in the store, looked at for the keys it was made with. Records are walked, whatever the listings say.

Only ``reseal`` writes: one field of a record, and only while it holds what was read. Nodes go on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from hub.core.chain import Chain
from hub.core.session import is_sid
from hub.store import keys
from hub.store.audit.reading import Reader
from hub.store.connecting import StoreTls
from hub.store.keyring.chained import is_chained_with
from hub.store.keyring.named import Named, read_names
from hub.store.keyring.ring import KeyRing
from hub.store.presence import NODE_LIFE_SECONDS
from hub.store.records import LAST_MS
from hub.store.scripts import Scripts
from hub.store.sealing import MasterKeys, SealBroken
from hub.store.shards import Shards

SCAN_COUNT = 500


@dataclass(frozen=True, slots=True)
class Row:
    """What a record has of keys: the wrapped data key and the verifier, each after its ``kid:``; and how long it lives.

    ``until_ms`` is 0 for one that lives for ever.
    """

    sid: str
    wrapped: bytes = field(repr=False)
    verifier: bytes = field(repr=False)
    is_live: bool
    until_ms: int

    @property
    def master(self) -> str:
        """The kid of the master key."""
        return kid_of(self.wrapped)

    @property
    def token(self) -> str:
        """The kid of the token key."""
        return kid_of(self.verifier)


@dataclass(slots=True)
class Resealed:
    """How far resealing has come. ``overtaken`` are records that went, or were resealed by somebody else, meanwhile."""

    seen: int = 0
    resealed: int = 0
    already: int = 0
    overtaken: int = 0
    unreadable: list[str] = field(default_factory=list)


class AtRest:
    """A store and the ring it was made with. An asynchronous context.

    Raises ``ConfigurationError`` for a store that is not to be trusted, ``HubError`` for one that does not answer.
    """

    def __init__(self, url: str, ring: KeyRing, tls: StoreTls | None = None) -> None:
        self._ring = ring
        self._reader = Reader(url, ring, tls)
        self._shards = Shards(url, tls)
        self._scripts = Scripts(self._shards.calls)
        self._masters = MasterKeys(ring.master.secrets, ring.master.active.kid)

    async def __aenter__(self) -> Self:
        await self._reader.__aenter__()
        await self._shards.find()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._shards.close()
        await self._reader.__aexit__(kind, error, trace)

    async def nodes(self) -> dict[str, Named]:
        """The nodes that live, and the keys each works with; none where it does not say."""
        ask, oldest = self._reader.ask, await self._reader.now_ms() - NODE_LIFE_SECONDS * 1000
        names = [name.decode("ascii", "replace") for name in await ask("ZRANGEBYSCORE", keys.NODES, oldest, "+inf")]
        told = await asyncio.gather(*(ask("GET", keys.node_keys(name)) for name in names))
        return {name: read_names(said) for name, said in zip(names, told, strict=True)}

    async def count(self) -> int:
        """How many records there are, about."""
        return sum([len(sids) async for sids in self._sids()])

    async def rows(self) -> AsyncIterator[list[Row]]:
        """All records, some at a time. One may come twice."""
        async for sids in self._sids():
            yield [row for row in await asyncio.gather(*map(self._row, sids)) if row is not None]

    async def _sids(self) -> AsyncIterator[list[str]]:
        async for names in self._reader.names("hub:{*}:s:*", SCAN_COUNT):
            found = [(name.rpartition(":")[2], name) for name in names]
            yield [sid for sid, name in found if is_sid(sid) and name == keys.record(sid)]

    async def _row(self, sid: str) -> Row | None:
        record = keys.record(sid)
        fields, until = await asyncio.gather(
            self._reader.ask("HMGET", record, "dek", "verifier", "status"), self._reader.ask("PEXPIRETIME", record)
        )
        if not fields or until == -2:
            return None
        wrapped, verifier, status = fields
        return Row(sid, wrapped or b"", verifier or b"", status == b"live", min(max(until, 0), LAST_MS))

    async def reseal(self) -> AsyncIterator[Resealed]:
        """Wrap every data key with the active master key; where it stands after some records each."""
        at = Resealed()
        async for rows in self.rows():
            await asyncio.gather(*(self._reseal(row, at) for row in rows))
            yield at

    async def _reseal(self, row: Row, at: Resealed) -> None:
        at.seen += 1
        if row.master == self._ring.master.active.kid:
            at.already += 1
            return
        try:
            again = self._masters.wrap(row.sid, self._masters.unwrap(row.sid, row.wrapped))
        except SealBroken:
            at.unreadable.append(row.sid)
            return
        if await self._scripts.run("rewrap", [keys.record(row.sid)], [row.wrapped, again]):
            at.resealed += 1
        else:
            at.overtaken += 1

    async def chained_with(self, kid: str, on_seen: Callable[[int], None]) -> list[Row]:
        """The sessions in whose history an entry fits this chain key, and so no other."""
        chain, found = Chain(self._ring.chain[kid]), dict[str, Row]()
        async for rows in self.rows():
            for row in rows:
                record = await self._reader.record(row.sid)
                if record is not None and await is_chained_with(chain, row.sid, self._reader.entries(record)):
                    found[row.sid] = row
            on_seen(len(rows))
        return list(found.values())


def kid_of(made: bytes) -> str:
    """The name of the key in front of what was made with it."""
    return made.partition(b":")[0].decode("ascii", "replace")


def last_until(rows: Sequence[Row]) -> int | None:
    """When the last of them goes (ms); ``None`` where one of them stays."""
    ends = [row.until_ms for row in rows]
    return max(ends) if all(ends) else None
