"""Attackers on a session's history: one who can write to the store, one who has the key ring too.

A history is taken out of the store as a list, worked on, and put back; what an attacker can do is a method. Whether
anybody notices is the tests' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from redis import Redis

from hub.core.chain import Chain, position_at
from hub.core.document import apply
from hub.core.json import Object, dumps
from hub.core.position import Position
from hub.store import keys, records
from hub.store.keyring import KeyRing
from hub.store.sealing import MasterKeys


@dataclass
class Raw:
    """One entry as it lies in the stream."""

    name: bytes
    sealed: bytes
    chain: bytes

    @property
    def revision(self) -> int:
        """The number in its name."""
        return int(self.name.partition(b"-")[0])


class Vandal:
    """Can read and write the store, and has no key. ``entries[n - 1]`` is revision ``n`` where nothing was trimmed."""

    def __init__(self, outside: Any, sid: str) -> None:
        self.outside, self.sid = outside, sid
        self.entries: list[Raw] = []
        self.take()

    @classmethod
    def at(cls, url: str, sid: str) -> Vandal:
        """With a connection of its own; ``close`` it."""
        return cls(Redis.from_url(url), sid)

    def close(self) -> None:
        """Look no more."""
        self.outside.close()

    def take(self) -> None:
        """Read the history as it is."""
        found = self.outside.xrange(keys.history(self.sid))
        self.entries = [Raw(name, fields[b"e"], fields[b"c"]) for name, fields in found]

    def put(self) -> None:
        """Write it back, with the life it had."""
        history = keys.history(self.sid)
        until = self.outside.pexpiretime(history)
        self.outside.delete(history)
        for entry in self.entries:
            self.outside.xadd(history, {b"e": entry.sealed, b"c": entry.chain}, id=entry.name)
        if until > 0:
            self.outside.pexpireat(history, until)

    def edit(self, revision: int, at: int = 20) -> None:
        """One byte of what is sealed."""
        self.entry(revision).sealed = flipped(self.entry(revision).sealed, at)

    def edit_chain(self, revision: int, at: int = 31) -> None:
        """One byte of a chain value; the first four are its position's tag too."""
        self.entry(revision).chain = flipped(self.entry(revision).chain, at)

    def delete(self, revision: int) -> None:
        """Take one out."""
        self.entries.remove(self.entry(revision))

    def insert_after(self, revision: int) -> None:
        """The same again, under an id that fits in between."""
        before = self.entry(revision)
        at = self.entries.index(before) + 1
        self.entries.insert(at, Raw(f"{revision}-1".encode(), before.sealed, before.chain))

    def swap(self, one: int, other: int) -> None:
        """Each in the other's place."""
        left, right = self.entry(one), self.entry(other)
        left.sealed, right.sealed = right.sealed, left.sealed
        left.chain, right.chain = right.chain, left.chain

    def cut_after(self, revision: int) -> None:
        """No tail."""
        self.entries = [entry for entry in self.entries if entry.revision <= revision]

    def cut_before(self, revision: int) -> None:
        """No head."""
        self.entries = [entry for entry in self.entries if entry.revision >= revision]

    def append(self) -> None:
        """The last one again, as if there was more."""
        last = self.entries[-1]
        self.entries.append(Raw(f"{last.revision + 1}-0".encode(), last.sealed, last.chain))

    def entry(self, revision: int) -> Raw:
        """One of them."""
        return next(entry for entry in self.entries if entry.name == f"{revision}-0".encode())

    def set_record(self, **fields: str | bytes) -> None:
        """Overwrite fields of the record."""
        for name, value in fields.items():
            self.outside.hset(keys.record(self.sid), name, value)

    def drop_from_record(self, *names: str) -> None:
        """Delete fields of the record."""
        self.outside.hdel(keys.record(self.sid), *names)

    def roll_record_back(self) -> None:
        """Let the record stand where the history (now) stops."""
        last = self.entries[-1]
        self.set_record(position=str(position_at(last.revision, last.chain)), chain=last.chain)


class Thief(Vandal):
    """Has the key ring, or a part of it: opens and seals whatever lies in the store. Without the chain key (``chain``
    empty) it must leave chain values as they are."""

    def __init__(self, outside: Any, sid: str, ring: KeyRing, *, has_chain_key: bool) -> None:
        masters = MasterKeys({kid: key.secret for kid, key in ring.master.by_kid.items()}, ring.master.active.kid)
        self.data_key = masters.unwrap(sid, outside.hget(keys.record(sid), "dek"))
        self.chain = Chain(ring.chain.active.secret) if has_chain_key else None
        super().__init__(outside, sid)

    def open(self, revision: int) -> Object:
        """What an entry says."""
        entry = self.entry(revision)
        plain = records.open_entry(self.sid, position_at(revision, entry.chain), entry.sealed, self.data_key)
        members: Object = orjson.loads(plain)
        return members

    def seal(self, revision: int, members: Object) -> None:
        """Say something else in its place, under the chain value it has."""
        entry = self.entry(revision)
        position = position_at(revision, entry.chain)
        entry.sealed = records.seal_entry(self.sid, position, dumps(members), self.data_key)

    def forge(self, said: list[Object]) -> None:
        """A whole history that says this, sealed; chained too with the chain key, else with the old values by place."""
        values = [entry.chain for entry in self.entries]
        self.entries, base = [], None
        value = self.chain.start(self.sid) if self.chain else b""
        for revision, members in enumerate(said, 1):
            plain = dumps(members | {"revision": revision, "base": base and str(base)})
            value = self.chain.extend(value, plain) if self.chain else values[revision - 1]
            base = position_at(revision, value)
            sealed = records.seal_entry(self.sid, base, plain, self.data_key)
            self.entries.append(Raw(f"{revision}-0".encode(), sealed, value))

    def all_said(self) -> list[Object]:
        """What the whole history says."""
        return [self.open(entry.revision) for entry in self.entries]

    def adjust_record(self) -> None:
        """Record and document as the history has them."""
        self.roll_record_back()
        if self.outside.hget(keys.record(self.sid), "status") == b"live":
            said = self.all_said()
            document = said[0]["document"]
            for members in said[1:]:
                document = apply(document, members["ops"])
            last = self.entries[-1]
            at = Position(last.revision, last.chain.hex()[:8])
            self.set_record(doc=records.seal_document(self.sid, at, document, self.data_key))


def flipped(value: bytes, at: int) -> bytes:
    """The same with one bit changed."""
    at %= len(value)
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
