"""What a copy of the store shows: nothing readable, and nothing that could be moved to where it does not belong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.session import Session
from hub.errors import Compacted
from hub.store import keys
from hub.store.keyring import KeyRing
from hub.store.store import Store
from tests.store.conftest import Ear, Place
from tests.support.sessions import commit, committed, end, opening, read

pytestmark = pytest.mark.contract

CANARIES = ("canary-name-17", "canary-key-18", "canary-user-19", "canary-detail-20", "canary-section-21")


def everything(place: Place) -> Iterator[bytes]:
    """All keys and values, and the append-only file."""
    outside: Any = place.outside()
    for name in outside.scan_iter("*"):
        yield name
        kind = outside.type(name)
        if kind == b"string":
            yield outside.get(name)
        elif kind == b"hash":
            yield from (part for pair in outside.hgetall(name).items() for part in pair)
        elif kind == b"zset":
            yield from outside.zrange(name, 0, -1)
        elif kind == b"stream":
            yield from (part for _, fields in outside.xrange(name) for pair in fields.items() for part in pair)
    files = [Path(root) / name for root, _, names in os.walk(place.folder) for name in names]
    yield from (file.read_bytes() for file in files if ".aof" in file.name or file.suffix == ".rdb")


async def test_a_dump_shows_no_plaintext(place: Place, store: Store) -> None:
    """Names, values, users and reasons are absent from every key, value and file; a sid is there, as a check."""
    session = await opening(store, user=CANARIES[2], document={"profile": {CANARIES[1]: CANARIES[0]}}).live()
    session = await committed(store, session, cart={CANARIES[4]: 1})
    await end(store, session.sid, detail=CANARIES[3])
    dump = list(everything(place))
    assert any(session.sid.encode() in part for part in dump)
    assert any(b"appendonly" in part or b"XADD" in part or b"xadd" in part for part in dump)
    for canary in CANARIES:
        assert not [part for part in dump if canary.encode() in part], canary


async def test_the_id_token_is_kept_sealed_and_for_as_long_as_the_session_lives(place: Place, store: Store) -> None:
    """It goes back to the provider at log-out; nobody reads it in the store, and an ended record has none."""
    opened = await opening(store, id_token="canary-id-token-22").live()
    session = await read(store, opened.sid)
    assert store.id_token_of(session) == "canary-id-token-22"
    assert not [part for part in everything(place) if b"canary-id-token-22" in part]
    place.outside().hset(keys.record(opened.sid), "hint", b"x" * 40)
    assert store.id_token_of(await read(store, opened.sid)) == ""
    await end(store, opened.sid)
    assert place.outside().hget(keys.record(opened.sid), "hint") is None
    assert store.id_token_of(await read(store, opened.sid)) == ""


async def test_a_document_of_another_session_does_not_open(place: Place, store: Store) -> None:
    """Moved into another record, the session is unused; put back, it is itself again."""
    user = opening(store)
    one, two = await user.live(), await user.live()
    outside = place.outside()
    own = outside.hget(keys.record(two.sid), "doc")
    for field in ("doc", "dek", "meta"):
        kept, other = outside.hget(keys.record(two.sid), field), outside.hget(keys.record(one.sid), field)
        assert isinstance(kept, bytes)
        assert isinstance(other, bytes)
        outside.hset(keys.record(two.sid), field, other)
        assert await store.read(two.sid) is None, field
        outside.hset(keys.record(two.sid), field, kept)
    assert (await read(store, two.sid)).document == two.document
    assert own == outside.hget(keys.record(two.sid), "doc")


async def test_an_older_document_does_not_open_under_a_newer_position(
    place: Place, store: Store, session: Session
) -> None:
    """Rolling one field back is noticed."""
    outside = place.outside()
    old = outside.hget(keys.record(session.sid), "doc")
    assert isinstance(old, bytes)
    await committed(store, session, cart={"n": 1})
    outside.hset(keys.record(session.sid), "doc", old)
    assert await store.read(session.sid) is None


async def test_a_history_entry_moved_or_changed_does_not_open(place: Place, store: Store, session: Session) -> None:
    """The history then says ``compacted``: a copy reloads, and nothing false is told."""
    at = session
    for n in range(3):
        at = await committed(store, at, cart={"n": n})
    outside: Any = place.outside()
    entries = outside.xrange(keys.history(session.sid))
    swapped = {**entries[2][1], b"e": entries[1][1][b"e"]}
    outside.delete(keys.history(session.sid))
    for name, fields in (entries[0], entries[1], (entries[2][0], swapped), entries[3]):
        outside.xadd(keys.history(session.sid), fields, id=name)
    with pytest.raises(Compacted):
        await store.changes(at, session.position, 10)


async def test_another_master_key_opens_nothing(place: Place, store: Store, session: Session, tmp_path: Path) -> None:
    """A stolen store is of no use without the ring."""
    KeyRing.create(tmp_path / "other.toml")
    other = Store(place.url, KeyRing.load(tmp_path / "other.toml"), "thief")
    await other.start(Ear())
    try:
        assert await other.read(session.sid) is None
    finally:
        await other.stop()
    assert (await read(store, session.sid)).document == session.document


async def test_records_that_do_not_hold_together_are_unused_and_can_be_ended(place: Place, store: Store) -> None:
    """Missing, empty and odd fields: no session, no error; ending it works all the same."""
    fields = ("position", "dek", "meta", "created", "expires", "idle", "chain", "verifier", "doc", "status")
    for field in fields:
        for value in (None, b"", b"\xff", b"9" * 40):
            session = await opening(store).live()
            name, outside = keys.record(session.sid), place.outside()
            if value is None:
                outside.hdel(name, field)
            else:
                outside.hset(name, field, value)
            found = await store.read(session.sid)
            if field in ("position", "dek", "meta", "doc"):
                assert found is None, (field, value)
            await commit(store, session, None, 0, cart={})
            await end(store, session.sid)
