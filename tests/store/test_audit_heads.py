"""Heads: what the log wrote down of ends speaks against histories that were made anew."""

from __future__ import annotations

import asyncio
import dataclasses
import logging

import pytest

from hub.core import heads
from hub.core.heads import Head
from hub.store import keys
from hub.store.audit.reading import Reader
from hub.store.store import Store
from tests.store.conftest import Member, Place
from tests.support.audits import LENGTH, cut_and_unclose, history, judged, logged, named, thief_at
from tests.support.sessions import end, read
from tests.support.tampering import Vandal

pytestmark = pytest.mark.contract


async def test_a_history_rewritten_whole_is_found_by_its_head_alone(
    place: Place, store: Store, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    """Every key, everything sealed and chained anew, the record put right: only the log speaks against it."""
    session = await history(store)
    with caplog.at_level(logging.INFO, "hub.audit"):
        await end(store, session.sid)
    (head,) = logged(caplog)
    assert named(await judged(reader, session.sid, head)) is None
    thief = thief_at(place, session.sid, has_chain_key=True)
    said = thief.all_said()
    said[3]["ops"] = [{"op": "add", "path": "/profile/name", "value": "Mallory"}]
    thief.forge(said)
    thief.put()
    thief.adjust_record()
    assert (await judged(reader, session.sid)).finding is None
    assert named(await judged(reader, session.sid, head)) == (LENGTH + 1, "head")


async def test_a_history_cut_and_closed_again_by_a_node_is_found_by_its_head(
    place: Place, store: Store, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    """A vandal needs no key for this one: a node that meets the record completes it in good faith."""
    session = await history(store)
    with caplog.at_level(logging.INFO, "hub.audit"):
        await end(store, session.sid)
        vandal = Vandal(place.outside(), session.sid)
        cut_and_unclose(vandal, 5, 0)
        vandal.put()
        await read(store, session.sid)
    assert (await read(store, session.sid)).position.revision == 6
    first, second = logged(caplog)
    assert (await judged(reader, session.sid, second)).finding is None
    assert named(await judged(reader, session.sid, second, first)) == (LENGTH + 1, "head")


async def test_each_end_is_written_down_once(members: tuple[Member, Member], caplog: pytest.LogCaptureFixture) -> None:
    """Whichever node closes a history says where it ended; the other one says nothing."""
    session = await history(members[0].store)
    with caplog.at_level(logging.INFO, "hub.audit"):
        await asyncio.gather(*(end(member.store, session.sid) for member in members))
        await asyncio.gather(*(read(member.store, session.sid) for member in members))
    now = await read(members[0].store, session.sid)
    assert now.ending is not None
    (head,) = logged(caplog)
    assert head == Head(session.sid, now.position, now.chain, now.ending.at_ms, now.expires_ms)


async def test_nodes_that_close_a_history_at_once_write_it_down_once(
    place: Place, members: tuple[Member, Member], caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever finds a closing entry missing writes it; of several who do, one was first."""
    sessions = [await history(members[0].store) for _ in range(5)]
    for session in sessions:
        await end(members[0].store, session.sid)
        vandal = Vandal(place.outside(), session.sid)
        cut_and_unclose(vandal, LENGTH, 0)
        vandal.put()
    with caplog.at_level(logging.INFO, "hub.audit"):
        caplog.clear()
        await asyncio.gather(*(read(member.store, session.sid) for session in sessions for member in members))
    assert sorted(head.sid for head in logged(caplog)) == sorted(session.sid for session in sessions)


async def test_a_session_that_is_gone_too_early_is_found_by_its_head(
    place: Place, store: Store, reader: Reader
) -> None:
    """Before retention has passed it must be there; afterwards it may be gone; live again it must not be."""
    session = await history(store)
    now = store.clock.now_ms()
    head = Head(session.sid, session.position, session.chain, now, session.expires_ms)
    assert named(await judged(reader, session.sid, head)) == (LENGTH, "head")
    place.outside().delete(keys.record(session.sid), keys.history(session.sid))
    assert named(await judged(reader, session.sid, head)) == (LENGTH, "head")
    long_ago = dataclasses.replace(head, at_ms=now - 200_000, expires_ms=now - 61_000)
    verdict = await judged(reader, session.sid, long_ago)
    assert (verdict.finding, verdict.state) == (None, "retired")
    assert named(await judged(reader, session.sid, long_ago, retention=120)) == (LENGTH, "head")


def test_a_log_is_read_whatever_else_is_in_it() -> None:
    """Lines that are no heads, torn or false, are passed over; a prefix of a log collector does not matter."""
    sid, at = "0123456789abcdef-0123456789abcdefghijkl", "2026-01-01T00:00:00.000Z"
    good = f'{{"event":"session_head","sid":"{sid}","position":"2.0a0b0c0d","chain":"{"0a0b0c0d" * 8}","at":"{at}"}}'
    head = heads.read(good.encode())
    assert head is not None
    assert head == heads.read(b"hub-1  | " + good.encode() + b"\n")
    assert head.expires_ms == head.at_ms == 1_767_225_600_000
    others = [
        "",
        "session_head",
        "{",
        good[:-9],
        '{"event":"session_head"}',
        '["session_head"]',
        good.replace("2.0", "x"),
    ]
    others += [good.replace('session_head"', 'session_headless"'), good.replace(at, "never"), good.replace(sid, "s")]
    assert [heads.read(line.encode()) for line in others] == [None] * len(others)
