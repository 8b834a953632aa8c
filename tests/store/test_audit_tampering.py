"""Verifying: whatever was done to a history is named, at the first revision that is bad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.store import keys
from hub.store.audit.reading import Reader
from hub.store.records import seal_document
from hub.store.store import Store
from tests.store.conftest import Place
from tests.support.audits import LENGTH, cut_and_unclose, history, judged, named, thief_at
from tests.support.sessions import end, read
from tests.support.tampering import Thief, Vandal

pytestmark = pytest.mark.contract


Deed = Callable[[Vandal], None]


def _cut_and_adjust(vandal: Vandal) -> None:
    vandal.cut_after(5)
    vandal.roll_record_back()


VANDALISM: dict[str, tuple[Deed, int, str]] = {
    "edited": (lambda v: v.edit(4), 4, "unreadable"),
    "first edited": (lambda v: v.edit(1), 1, "unreadable"),
    "nonce edited": (lambda v: v.edit(4, 0), 4, "unreadable"),
    "last edited": (lambda v: v.edit(LENGTH), LENGTH, "unreadable"),
    "tag of the chain edited": (lambda v: v.edit_chain(4, 0), 4, "unreadable"),
    "chain edited": (lambda v: v.edit_chain(4), 4, "chain"),
    "chain of the first edited": (lambda v: v.edit_chain(1), 1, "chain"),
    "chain of the last edited": (lambda v: v.edit_chain(LENGTH), LENGTH, "chain"),
    "inserted": (lambda v: v.insert_after(4), 4, "inserted"),
    "inserted before all": (lambda v: v.entries.insert(0, type(v.entries[0])(b"0-7", b"", b"")), 0, "inserted"),
    "deleted": (lambda v: v.delete(4), 4, "missing"),
    "first deleted": (lambda v: v.delete(1), 1, "missing"),
    "swapped": (lambda v: v.swap(3, 6), 3, "unreadable"),
    "head cut off": (lambda v: v.cut_before(5), 1, "missing"),
    "tail cut off": (lambda v: v.cut_after(5), 6, "missing"),
    "tail cut off, record adjusted": (_cut_and_adjust, 5, "record"),
    "appended": (lambda v: v.append(), LENGTH + 1, "record"),
    "emptied": (lambda v: v.entries.clear(), 1, "history_gone"),
    "emptied of fields": (lambda v: setattr(v.entry(4), "chain", b""), 4, "unreadable"),
    "document gone": (lambda v: v.drop_from_record("doc"), LENGTH, "record"),
    "document of before": (lambda v: v.set_record(doc=v.outside.hget(keys.record(v.sid), "meta")), LENGTH, "record"),
    "chain of the record": (lambda v: v.set_record(chain=b"\0" * 32), LENGTH, "record"),
    "said to be over": (lambda v: v.set_record(status="ended", ended="1", ending=b""), LENGTH, "record"),
    "neither live nor over": (lambda v: v.set_record(status="odd"), LENGTH, "record"),
}


@pytest.mark.parametrize("deed", VANDALISM)
async def test_vandalism_is_named_at_the_first_bad_revision(
    place: Place, store: Store, reader: Reader, deed: str
) -> None:
    """Whoever can only write to the store is found by seals, ids and the record."""
    session = await history(store)
    vandal = Vandal(place.outside(), session.sid)
    act, revision, fault = VANDALISM[deed]
    act(vandal)
    vandal.put()
    assert named(await judged(reader, session.sid)) == (revision, fault)


def _reopen(vandal: Vandal) -> None:
    vandal.set_record(status="live")


def _unclose(vandal: Vandal) -> None:
    vandal.drop_from_record("closed")


VANDALISM_OF_ENDED: dict[str, tuple[Deed, int, str]] = {
    "live again": (_reopen, LENGTH + 1, "record"),
    "closing entry deleted": (lambda v: v.delete(LENGTH + 1), LENGTH + 1, "missing"),
    "closing entry not known": (_unclose, LENGTH + 1, "record"),
    "cut, and to be closed again": (cut_and_unclose, 6, "closing"),
    "cut, and said to be closed": (_cut_and_adjust, 5, "closing"),
    "appended": (lambda v: v.append(), LENGTH + 2, "after_end"),
    "no time of the end": (lambda v: v.set_record(ended="9" * 18), LENGTH + 1, "record"),
    "time of the end": (lambda v: v.set_record(ended="1"), LENGTH + 1, "closing"),
}


@pytest.mark.parametrize("deed", VANDALISM_OF_ENDED)
async def test_vandalism_of_an_ended_session_is_named(place: Place, store: Store, reader: Reader, deed: str) -> None:
    """The end belongs to the history."""
    session = await history(store)
    await end(store, session.sid)
    vandal = Vandal(place.outside(), session.sid)
    act, revision, fault = VANDALISM_OF_ENDED[deed]
    act(vandal)
    vandal.put()
    assert named(await judged(reader, session.sid)) == (revision, fault)


async def test_a_closing_entry_may_be_a_minute_late(place: Place, store: Store, reader: Reader) -> None:
    """Right after the end it is pending, and that is no fault; later it is."""
    session = await history(store)
    await end(store, session.sid)
    vandal = Vandal(place.outside(), session.sid)
    cut_and_unclose(vandal, LENGTH, 0)
    vandal.put()
    verdict = await judged(reader, session.sid)
    assert (verdict.finding, verdict.state) == (None, "closing")
    cut_and_unclose(vandal, LENGTH)
    assert named(await judged(reader, session.sid)) == (LENGTH + 1, "closing")
    await read(store, session.sid)  # any node that meets it completes it
    assert (await judged(reader, session.sid)).state == "ended"


async def test_what_is_gone_is_said(place: Place, store: Store, reader: Reader) -> None:
    """A history without record, a record without key, and nothing at all."""
    one, two = await history(store), await history(store)
    place.outside().delete(keys.record(one.sid))
    assert named(await judged(reader, one.sid)) == (1, "record_gone")
    Vandal(place.outside(), two.sid).drop_from_record("dek")
    assert named(await judged(reader, two.sid)) == (None, "sealed")
    assert named(await judged(reader, store.new_sid("nobody", "nobody"))) == (None, "not_found")
    assert {one.sid, two.sid} <= set(await reader.sids())


@pytest.mark.parametrize(
    ("cut", "history_changes", "missing"),
    [(600, 256, 512), (768, 256, 512), (513, 256, 512), (512, 512, 256), (0, 4096, 1)],
)
async def test_a_trimmed_head_must_be_one_that_is_trimmed(
    place: Place, store: Store, reader: Reader, cut: int, history_changes: int, missing: int
) -> None:
    """More cut off than the configuration trims, or at a place where nothing is ever trimmed, is missing."""
    session = await history(store, 800, history_changes=256)
    vandal = Vandal(place.outside(), session.sid)
    vandal.cut_before(cut)
    vandal.put()
    assert named(await judged(reader, session.sid, history_changes=history_changes)) == (missing, "missing")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_tampering_is_named_at_the_first_bad_revision(
    place: Place, store: Store, reader: Reader, data: st.DataObject
) -> None:
    """Random deeds on a random history, several at once: the first one is what is named."""
    length = data.draw(st.integers(3, 12), "length")
    session = await history(store, length)
    if is_over := data.draw(st.booleans(), "over"):
        await end(store, session.sid)
    vandal, last = Vandal(place.outside(), session.sid), length + is_over
    where = data.draw(st.lists(st.integers(1, last), min_size=1, max_size=3, unique=True), "where")
    for revision in where:
        deed = data.draw(st.sampled_from(["edit", "chain", "delete", "insert"]), "deed")
        if deed == "edit":
            vandal.edit(revision, data.draw(st.integers(0, 200)))
        elif deed == "chain":
            vandal.edit_chain(revision, data.draw(st.integers(0, 31)))
        elif deed == "delete":
            vandal.delete(revision)
        else:
            vandal.insert_after(revision)
    vandal.put()
    verdict = await judged(reader, session.sid)
    assert verdict.finding is not None
    assert verdict.finding.revision == min(where)


def _with_other_ops(thief: Thief, revision: int) -> None:
    other = [{"op": "add", "path": "/profile/name", "value": "Mallory"}]
    thief.seal(revision, thief.open(revision) | {"ops": other})


def _reordered(thief: Thief) -> None:
    said = thief.all_said()
    said[3], said[5] = said[5], said[3]
    thief.forge(said)


def _one_less(thief: Thief) -> None:
    said = thief.all_said()
    del said[3]
    thief.forge(said)


THEFT: dict[str, tuple[Callable[[Thief], None], int, str]] = {
    "edited": (lambda t: _with_other_ops(t, 4), 4, "chain"),
    "first edited": (lambda t: t.seal(1, t.open(1) | {"document": {"profile": {}}}), 1, "chain"),
    "another actor": (lambda t: t.seal(LENGTH, t.open(LENGTH) | {"actor": "user:x"}), LENGTH, "chain"),
    "another number": (lambda t: t.seal(4, t.open(4) | {"revision": 5}), 4, "moved"),
    "another base": (lambda t: t.seal(4, t.open(4) | {"base": "3.00000000"}), 4, "base"),
    "no entry at all": (lambda t: t.seal(4, {"kind": "commit"}), 4, "unreadable"),
    "another kind": (lambda t: t.seal(4, t.open(4) | {"kind": "open"}), 4, "base"),
    "reordered": (_reordered, 4, "chain"),
    "one taken out, the rest renumbered": (_one_less, 4, "chain"),
}


@pytest.mark.parametrize("deed", THEFT)
async def test_who_can_open_and_seal_is_found_by_the_chain(
    place: Place, store: Store, reader: Reader, deed: str
) -> None:
    """With every key but the chain's, and the record put right, the first bad revision is named all the same."""
    session = await history(store)
    thief = thief_at(place, session.sid)
    act, revision, fault = THEFT[deed]
    act(thief)
    thief.put()
    thief.roll_record_back()
    assert named(await judged(reader, session.sid)) == (revision, fault)


async def test_a_document_that_no_history_leads_to_is_found(place: Place, store: Store, reader: Reader) -> None:
    """Sealed as it should be, at the right position: the record's document is compared with the one replayed."""
    session = await history(store)
    thief = thief_at(place, session.sid)
    thief.set_record(doc=seal_document(session.sid, session.position, {"profile": {"name": "M"}}, thief.data_key))
    assert named(await judged(reader, session.sid)) == (LENGTH, "record")


async def test_the_first_kept_checkpoint_is_covered_by_the_chain(place: Place, store: Store, reader: Reader) -> None:
    """With its predecessor trimmed away it still cannot be replaced: it names the chain value that it continues."""
    session = await history(store, 600, history_changes=256)
    for change, fault in (({"document": {"profile": {}}}, "chain"), ({"before": "00" * 32}, "base")):
        thief = thief_at(place, session.sid)
        own = thief.open(256)
        thief.seal(256, own | change)
        thief.put()
        assert named(await judged(reader, session.sid, history_changes=256)) == (256, fault)
        thief.seal(256, {name: value for name, value in own.items() if name not in change})
        thief.put()
        missing = {"chain": "document", "base": "base"}[fault]
        assert named(await judged(reader, session.sid, history_changes=256)) == (256, missing)
        thief.seal(256, own)
        thief.put()
        assert (await judged(reader, session.sid, history_changes=256)).finding is None


CONTRADICTIONS: dict[str, tuple[int, dict[str, Any], str]] = {
    "checkpoint of something else": (256, {"document": {"profile": {"name": "Mallory"}}}, "document"),
    "checkpoint without document": (256, {"document": None}, "document"),
    "chain value before": (256, {"before": "00" * 32}, "chain"),
    "ops that do not apply": (4, {"ops": [{"op": "remove", "path": "/nowhere/at/all"}]}, "ops"),
    "ops that are none": (4, {"ops": [{"path": 7}]}, "ops"),
    "an end in the middle": (4, {"kind": "end", "ops": []}, "after_end"),
    "a reveal with ops": (4, {"kind": "reveal"}, "ops"),
}


@pytest.mark.parametrize("deed", CONTRADICTIONS)
async def test_a_chained_history_that_contradicts_itself_is_found(
    place: Place, store: Store, reader: Reader, deed: str
) -> None:
    """Even with all keys, what is written has to be a history."""
    revision, change, fault = CONTRADICTIONS[deed]
    session = await history(store, 258)
    thief = thief_at(place, session.sid, has_chain_key=True)
    said = thief.all_said()
    said[revision - 1] |= change
    if "before" not in change:
        said[255].pop("before")
    thief.forge(said)
    thief.put()
    thief.roll_record_back()
    expected = revision + 1 if fault == "after_end" else revision
    assert named(await judged(reader, session.sid)) == (expected, fault)
