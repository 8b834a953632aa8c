"""The scripts on a real store: open, commit, touch, end and close, alone and against each other."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from hub.core.ports import Conflict, Done, IdempotencyKey, Missing, Over, Remembered
from hub.core.position import Position
from hub.core.session import Session, user_tag
from hub.store import keys
from hub.store.store import Store
from tests.store.conftest import Member, Place
from tests.support.sessions import commit, committed, end, next_revision, opening, read
from tests.support.waiting import eventually

pytestmark = pytest.mark.contract


# open and commit


async def test_what_was_opened_and_committed_is_read_back(store: Store, session: Session) -> None:
    """Position, document and chain; the history has both entries."""
    revision = next_revision(store, session, cart={"n": 1})
    assert isinstance(await store.commit(session, revision, None), Done)
    found = await read(store, session.sid)
    assert (found.position, found.document, found.chain) == (revision.position, revision.document, revision.chain)
    history = await store.changes(found, session.position, 10)
    assert [change.position for change in history.changes] == [revision.position]
    first = await store.change(found, 1)
    assert first is not None
    assert (first.kind, first.base, first.document) == ("open", None, session.document)


async def test_a_commit_on_a_stale_state_changes_nothing_and_brings_the_record(store: Store, session: Session) -> None:
    """Compare and swap: the loser gets the whole current session in the same answer."""
    after = await committed(store, session, cart={"n": 1})
    outcome = await commit(store, session, None, 0, cart={"n": 2})
    assert isinstance(outcome, Conflict)
    assert (outcome.session.position, outcome.session.document) == (after.position, after.document)
    assert (await read(store, session.sid)).position == after.position


async def test_a_commit_never_creates_a_session(place: Place, store: Store, session: Session) -> None:
    """Unknown sid: missing, and no key is made."""
    place.outside().delete(keys.record(session.sid), keys.history(session.sid))
    assert isinstance(await commit(store, session, None, 0, cart={}), Missing)
    assert not place.outside().exists(keys.record(session.sid), keys.history(session.sid))


async def test_a_key_is_answered_once_and_for_its_body_only(store: Store, session: Session) -> None:
    """The same key and body: remembered. Another body: told apart. Another actor: another key."""
    key = IdempotencyKey("k" * 16, "user:ada", b"body")
    assert isinstance(await commit(store, session, key, 0, cart={"n": 1}), Done)
    again = await commit(store, await read(store, session.sid), key, 0, cart={"n": 1})
    assert isinstance(again, Remembered)
    assert (again.is_same_body, again.base, again.position.revision) == (True, session.position, 2)
    other = await commit(store, session, IdempotencyKey("k" * 16, "user:ada", b"other"), 0, cart={"n": 1})
    assert isinstance(other, Remembered)
    assert other.is_same_body is False
    mine = IdempotencyKey("k" * 16, "service:billing", b"body")
    assert isinstance(await commit(store, await read(store, session.sid), mine, 0, cart={"n": 2}), Done)


async def test_everything_of_a_session_has_a_life_span(place: Place, store: Store) -> None:
    """Record, history, index and answers expire by themselves: nothing stays for ever."""
    session = await opening(store, absolute_ms=100_000, retention_ms=50_000).live()
    key = IdempotencyKey("k" * 16, "user:ada", b"body")
    assert isinstance(await commit(store, session, key, 0, cart={}), Done)
    await store.arrive(session, "connection", None)
    outside, tag = place.outside(), user_tag(session.sid)
    for name in (keys.record(session.sid), keys.history(session.sid)):
        assert 149_000 < outside.pttl(name) <= 150_000
    assert 0 < outside.pttl(keys.live_sids(tag)) <= 100_000
    found = list(outside.scan_iter(f"hub:{{{tag}}}*"))
    assert len(found) == 5
    assert all(outside.pttl(name) > 0 for name in found)
    await end(store, session.sid)
    assert outside.pttl(keys.record(session.sid)) > 100_000


async def test_history_is_trimmed_behind_what_is_kept(store: Store, session: Session) -> None:
    """Older revisions are gone and say ``compacted``; the rest can be continued from."""
    at, states = session, [session]
    for n in range(6):
        at = await committed(store, at, trim_below=5 if n == 5 else 0, cart={"n": n})
        states.append(at)
    assert (await store.changes(at, states[0].position, 10)).why_not == "compacted"
    kept = await store.changes(at, states[4].position, 10)
    assert [change.position for change in kept.changes] == [states[5].position, states[6].position]
    assert (await store.changes(at, Position(6, "00000000"), 10)).why_not == "fork"
    assert (await store.changes(at, Position(9, "00000000"), 10)).why_not == "ahead"


# touch


async def test_a_touch_slides_idle_but_never_past_the_absolute_deadline(store: Store) -> None:
    """Forward only, and clamped."""
    session = await opening(store, idle_ms=5_000, absolute_ms=60_000).live()
    assert await store.touch(session, 30_000) == pytest.approx(store.clock.now_ms() + 30_000, abs=500)
    assert await store.touch(session, 1_000) == pytest.approx(store.clock.now_ms() + 30_000, abs=500)
    assert await store.touch(session, 10_000_000) == session.expires_ms
    assert (await read(store, session.sid)).expires_ms == session.expires_ms


# end


async def test_an_end_is_final_whatever_comes_after(place: Place, store: Store, session: Session) -> None:
    """No commit, touch or second end changes a tombstone; the document is gone, the history closed."""
    assert await end(store, session.sid, detail="card stolen") == 1
    over = await read(store, session.sid)
    assert over.ending is not None
    assert (over.ending.reason, over.ending.detail, over.document) == ("revoked", "card stolen", {})
    assert isinstance(await commit(store, session, None, 0, cart={}), Over)
    assert await store.touch(session, 1000) is None
    assert await end(store, session.sid, detail="again") == 0
    assert await read(store, session.sid) == over
    assert over.is_closed
    last = await store.change(over, 2)
    assert last is not None
    assert (last.kind, last.reason, last.actor) == ("end", "revoked", "service:test")
    assert not place.outside().hexists(keys.record(session.sid), "doc")


async def test_no_interleaving_brings_a_session_back(members: tuple[Member, Member]) -> None:
    """Commits, touches and ends from two nodes at once, many times: over is over, and nothing grows after it."""
    one, two = members[0].store, members[1].store

    async def round_of(session: Session) -> None:
        acts = [commit(one, session, None, 0, cart={"n": 1}), commit(two, session, None, 0, cart={"n": 2})]
        acts += [one.touch(session, 1000), two.touch(session, 1000), end(one, session.sid), end(two, session.sid)]  # type: ignore[list-item]
        random.shuffle(acts)
        await asyncio.gather(*acts)
        over = await read(one, session.sid)
        assert over.ending is not None
        assert over.document == {}
        at = over.position
        assert isinstance(await commit(two, over, None, 0, cart={"n": 3}), Over)
        assert (await read(two, session.sid)).position == at
        assert session.sid not in await two.sids_of(user_tag(session.sid))
        kinds = [change.kind for change in (await one.changes(over, session.position, 10)).changes]
        assert kinds[-1] == "end"
        assert kinds.count("end") == 1

    user = opening(one, user="interleaved", per_user=1000)
    for _ in range(10):
        await asyncio.gather(*[round_of(await user.live()) for _ in range(20)])


async def test_ending_a_user_takes_what_is_being_opened_too(members: tuple[Member, Member]) -> None:
    """Log-ins at the same moment: afterwards no session that began before the end is alive."""
    one, two = members[0].store, members[1].store
    user = opening(two, user="everywhere", per_user=1000)
    for _ in range(5):
        began = two.clock.now_ms()
        user.began_ms = began
        opens = [user.open() for _ in range(12)]
        ending = one.end_user(
            one.tag_of("http://issuer.test", "everywhere"), "revoked", spared=None, detail="", actor="x", request_id=""
        )
        await asyncio.gather(*opens, ending)
        for sid in await one.sids_of(one.tag_of("http://issuer.test", "everywhere")):
            assert (await read(one, sid)).ending is not None
        assert await user.open() is None
        user.began_ms = None
        fresh = await opening(two, user="everywhere", began_ms=two.clock.now_ms() + 1000).open()
        assert fresh is not None
        await end(one, fresh.session.sid)


async def test_a_spared_session_stays(store: Store) -> None:
    """All but one, in one act."""
    user = opening(store)
    sessions = [await user.live() for _ in range(4)]
    done = await store.end_user(
        user_tag(sessions[0].sid), "logged_out", spared=sessions[2].sid, detail="", actor="x", request_id=""
    )
    assert done.count == 3
    assert [(await read(store, each.sid)).ending is None for each in sessions] == [False, False, True, False]


async def test_more_sessions_than_allowed_name_the_oldest(store: Store) -> None:
    """``beyond`` lists what is to be replaced."""
    user = opening(store, per_user=2)
    first = await user.live()

    async def is_later() -> bool:
        return store.clock.now_ms() > first.created_ms + 1

    await eventually(is_later)  # a millisecond of its own: they are ordered by deadline
    await user.live()
    opened = await user.open()
    assert opened is not None
    assert opened.beyond == [first.sid]


async def test_a_new_session_is_never_the_one_to_be_replaced(store: Store) -> None:
    """However short its life is: the order is by deadline, and lifetimes may have been configured anew."""
    user = opening(store, per_user=2)
    older = [await user.live() for _ in range(2)]
    user.absolute_ms //= 2
    opened = await user.open()
    assert opened is not None
    assert len(opened.beyond) == 1
    assert opened.beyond[0] in [each.sid for each in older]


async def test_a_closing_entry_that_is_missing_is_completed_by_another_node(
    place: Place, members: tuple[Member, Member], session: Session
) -> None:
    """A node that died between end and entry leaves nothing undone; both completing it write it once."""
    one, two = members[0].store, members[1].store
    await end(one, session.sid)
    closed = await read(one, session.sid)
    outside: Any = place.outside()
    name = keys.history(session.sid)
    (first, fields), _ = outside.xrange(name)
    outside.delete(name)
    outside.xadd(name, fields, id=first)
    outside.hdel(keys.record(session.sid), "closed")
    outside.hset(keys.record(session.sid), "position", str(session.position))
    outside.hset(keys.record(session.sid), "chain", session.chain)
    await asyncio.gather(two.read(session.sid), one.read(session.sid))
    again = await read(two, session.sid)
    assert (again.position, again.chain, again.is_closed) == (closed.position, closed.chain, True)
    assert outside.xlen(keys.history(session.sid)) == 2


async def test_a_session_without_tabs_is_ended_by_the_sweep(place: Place, members: tuple[Member, Member]) -> None:
    """Past its deadline it gets its tombstone and closing entry, though nobody asked for it."""
    session = await opening(members[0].store, idle_ms=30).live()
    outside = place.outside()
    async with asyncio.timeout(5):
        while outside.hget(keys.record(session.sid), "closed") is None:
            await members[1].store.sweep()
    assert outside.hget(keys.record(session.sid), "reason") == b"idle"
    assert outside.zscore(keys.all_shard(session.sid), session.sid) is None
