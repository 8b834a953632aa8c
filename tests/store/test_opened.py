"""Opened records: the work is spared, never the read."""

from __future__ import annotations

import pytest

from hub.store import keys, opened
from hub.store.opened import OpenedRecords
from hub.store.store import Store
from tests.store.conftest import Place
from tests.support.sessions import committed, opening, read

pytestmark = pytest.mark.contract


async def test_the_same_bytes_are_opened_once(store: Store) -> None:
    """Read twice, the session is the very same object; after a commit it is another one."""
    session = await opening(store).live()
    first = await read(store, session.sid)
    assert await read(store, session.sid) is first
    changed = await committed(store, first, cart={"n": 1})
    assert changed is not first
    assert changed.document["cart"] == {"n": 1}
    assert first.document.get("cart") is None


async def test_one_other_byte_is_opened_anew(place: Place, store: Store) -> None:
    """A record that was tampered with is unused at once, however often it was read before; put back, it is itself."""
    session = await opening(store).live()
    assert await store.read(session.sid) is not None
    outside = place.outside()
    for field in ("doc", "meta", "dek", "position"):
        own = outside.hget(keys.record(session.sid), field)
        outside.hset(keys.record(session.sid), field, own[:-1] + bytes([own[-1] ^ 1]))
        assert await store.read(session.sid) is None, field
        outside.hset(keys.record(session.sid), field, own)
        assert await store.read(session.sid) is not None, field


async def test_new_keys_open_everything_anew(store: Store) -> None:
    """What opened with the keys there were has to open with those there are."""
    session = await opening(store).live()
    first = await read(store, session.sid)
    store._records.opened.forget()
    assert await read(store, session.sid) is not first


async def test_memory_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large records are not kept, and of small ones only so many."""
    session = await read(store, (await opening(store).live()).sid)
    known, flat = OpenedRecords(), [b"doc", b"x" * opened.LARGEST_BYTES]
    known.put("a", flat, session)
    assert known.get("a", flat) is None
    monkeypatch.setattr(opened, "MOST", 3)
    for name in "abcd":
        known.put(name, [name.encode()], session)
    assert [known.get(name, [name.encode()]) is not None for name in "abcd"] == [False, True, True, True]


async def test_a_read_hears_the_stores_clock(store: Store) -> None:
    """One ``TIME`` travels with all reads of a turn, and is heard before they are answered."""
    session = await opening(store).live()
    store.shards.all[0].clock._ahead_ms = -(10**9)
    assert await store.read(session.sid) is not None
    assert store.clock.now_ms() >= session.created_ms
