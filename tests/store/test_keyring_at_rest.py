"""Keys and what lies in the store: resealing while nodes commit, and what a key is needed for."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from hub.core.session import Session
from hub.core.times import rfc3339
from hub.sessions.commit import Commits
from hub.store import keys
from hub.store.keyring import Key, KeyRing, Use
from hub.store.keyring.changes import Refused
from hub.store.keyring.dropping import check_linger, seconds_left
from hub.store.store import Store
from tests.sessions import worlds
from tests.store.conftest import Place
from tests.support.audits import history
from tests.support.key_shop import Shop
from tests.support.sessions import committed, end, opening, read
from tests.support.tampering import flipped
from tests.support.waiting import eventually

pytestmark = pytest.mark.contract

WRITERS = 6


@pytest.fixture
def shop(place: Place, tmp_path: Path) -> Shop:
    shutil.copy(place.folder / "keys.toml", tmp_path / "ring.toml")
    place.outside().flushall()
    return Shop(place, tmp_path / "ring.toml")


async def test_a_thousand_sessions_are_resealed_in_seconds_while_nodes_commit(shop: Shop) -> None:
    """All of them, live and over; nothing else of a record is changed; commits go on; again there is nothing to do."""
    async with shop.node("one") as store:
        sessions = await asyncio.gather(*(opening(store).live() for _ in range(1000)))
        _, new = shop.rotate("master")
        for session in sessions[:50]:
            await end(store, session.sid)
        before = {s.sid: shop.outside.hgetall(keys.record(s.sid)) for s in sessions[WRITERS:]}
        life = [shop.outside.pexpiretime(keys.record(s.sid)) for s in sessions]
        store.follow_ring(shop.ring)
        is_over = asyncio.Event()
        writing = [asyncio.create_task(write(store, session, is_over)) for session in sessions[50 : 50 + WRITERS]]
        since = asyncio.get_running_loop().time()
        done = await shop.reseal()
        seconds = asyncio.get_running_loop().time() - since
        is_over.set()
        written = await asyncio.gather(*writing)
        print(f"\n1,000 sessions resealed in {seconds:.2f} s, {sum(written)} commits meanwhile")
        assert (done.seen, done.resealed, done.already, done.unreadable) == (1000, 1000, 0, [])
        assert min(written) > 0
        assert {shop.master_of(session) for session in sessions} == {new}
        assert [shop.outside.pexpiretime(keys.record(s.sid)) for s in sessions] == life
        quiet = [s for s in sessions[WRITERS:] if s not in sessions[50 : 50 + WRITERS]]
        for session in quiet:
            after = shop.outside.hgetall(keys.record(session.sid))
            assert after.pop(b"dek") != before[session.sid].pop(b"dek")
            assert after == before[session.sid]
        again = await shop.reseal()
        assert (again.resealed, again.already) == (0, 1000)
    KeyRing.edit(shop.file, lambda all_keys: [key for key in all_keys if key.use != "master" or key.kid == new])
    async with shop.node("later") as store:
        for session in sessions[::50]:
            assert (await read(store, session.sid)).log_in == session.log_in
    assert seconds < 10


async def write(store: Store, session: Session, is_over: asyncio.Event) -> int:
    """Commit until it is over; how often."""
    count = 0
    while not is_over.is_set():
        count += 1
        session = await committed(store, session, profile={"n": count})
    return count


async def test_an_interrupted_run_is_gone_on_with(shop: Shop) -> None:
    """Two at once, one of them stopped on its way: every record is wrapped once, by either."""
    async with shop.node("one") as store:
        sessions = await asyncio.gather(*(opening(store).live() for _ in range(600)))
    _, new = shop.rotate("master")
    async with shop.at_rest() as at_rest:
        async for at in at_rest.reseal():
            assert 0 < at.resealed < 600
            break
    one, two = await asyncio.gather(shop.reseal(), shop.reseal())
    assert at.resealed + one.resealed + two.resealed == 600
    assert one.overtaken + one.already + one.resealed == 600
    assert {shop.master_of(session) for session in sessions} == {new}


async def test_a_record_that_does_not_open_is_named_and_left_alone(shop: Shop) -> None:
    """Edited, swapped, without a key in the ring, or without anything."""
    async with shop.node("one") as store:
        good, *bad = [await opening(store).live() for _ in range(6)]
    wrapped = [shop.outside.hget(keys.record(s.sid), "dek") for s in bad]
    planted = [flipped(wrapped[0], 30), wrapped[2], b"unknown:" + wrapped[2], b"", b":" + b"\xff" * 60]
    for session, value in zip(bad, planted, strict=True):
        shop.outside.hset(keys.record(session.sid), "dek", value)
    shop.rotate("master")
    done = await shop.reseal()
    assert (done.resealed, sorted(done.unreadable)) == (1, sorted(s.sid for s in bad))
    assert [shop.outside.hget(keys.record(s.sid), "dek") for s in bad] == planted
    assert good.sid not in done.unreadable


async def test_what_is_no_record_is_passed_over(shop: Shop) -> None:
    """Names and kinds that somebody planted: nobody stumbles, nothing is made."""
    sid = "0" * 16 + "-" + "a" * 22
    shop.outside.set("hub:{x}:s:nothing", "1")
    shop.outside.hset(f"hub:{{{'1' * 16}}}:s:{sid}", "dek", "elsewhere")
    shop.outside.set(f"hub:{{{'0' * 16}}}:s:{sid}", "a string")
    shop.rotate("master")
    before = sorted(shop.outside.keys())
    done = await shop.reseal()
    assert (done.seen, done.resealed) == (0, 0)
    assert sorted(shop.outside.keys()) == before


async def test_a_record_that_goes_meanwhile_stays_gone(shop: Shop) -> None:
    """The script never makes a record."""
    async with shop.node("one") as store:
        session = await opening(store).live()
        wrapped = shop.outside.hget(keys.record(session.sid), "dek")
        assert await store._records.scripts.run("rewrap", [keys.record(session.sid)], [b"other", b"new"]) == 0
        assert shop.outside.hget(keys.record(session.sid), "dek") == wrapped
        shop.outside.delete(keys.record(session.sid))
        assert await store._records.scripts.run("rewrap", [keys.record(session.sid)], [wrapped, b"new"]) == 0
    assert not shop.outside.exists(keys.record(session.sid))


# what needs a key


async def test_a_master_is_needed_while_a_record_names_it(shop: Shop) -> None:
    """Live or over; said with how many, and until when."""
    async with shop.node("one") as store:
        live, over = await opening(store).live(), await opening(store, retention_ms=9_000_000).live()
        await end(store, over.sid)
    old, _ = shop.rotate("master")
    said = await shop.refusal(old)
    until = shop.outside.pexpiretime(keys.record(over.sid))
    assert f"master key {old.kid} is needed: it wraps the data keys of 2 sessions (1 live, the last is kept" in said
    assert said.endswith("`hub keys reseal` wraps them anew")
    assert rfc3339(until) in said
    await shop.reseal()
    assert await shop.refusal(old) == ""
    assert live.sid != over.sid


async def test_a_token_key_is_needed_while_a_verifier_names_it(shop: Shop) -> None:
    """Of a tombstone too: it is asked why it is over."""
    old, new = shop.rotate("token")
    async with shop.node("one") as store:
        sessions = [await opening(store).live() for _ in range(3)]
        for session, kid in zip(sessions, (old.kid, old.kid, new), strict=True):
            shop.outside.hset(keys.record(session.sid), "verifier", f"{kid}:verifier")
        await end(store, sessions[0].sid)
    assert "it checks the tokens of 2 sessions (1 live" in await shop.refusal(old)
    shop.outside.delete(keys.record(sessions[1].sid))
    assert "it checks the tokens of 1 session (0 live" in await shop.refusal(old)
    shop.outside.persist(keys.record(sessions[0].sid))
    assert "one is kept for ever" in await shop.refusal(old)
    shop.outside.delete(keys.record(sessions[0].sid))
    assert await shop.refusal(old) == ""


async def test_a_chain_key_is_needed_while_an_entry_fits_no_other(shop: Shop) -> None:
    """Histories begun, gone on with, or ended under it; not those under others."""
    async with shop.node("one") as store:
        begun = await opening(store).live()
        old, _ = shop.rotate("chain")
        store.follow_ring(shop.ring)
        begun = await committed(store, begun, profile={"n": 1})
        other = await committed(store, await opening(store).live(), profile={"n": 1})
        assert "it chains the histories of 1 session (1 live" in await shop.refusal(old)
        shop.outside.delete(keys.record(begun.sid), keys.history(begun.sid))
        assert await shop.refusal(old) == ""
        store.chain.key = old.secret  # a node that has not looked yet
        await end(store, other.sid)
    assert "it chains the histories of 1 session (0 live" in await shop.refusal(old)


async def test_a_chain_key_of_what_was_trimmed_away_is_not_needed(shop: Shop) -> None:
    """A history is checked from its first checkpoint on, which names what came before."""
    async with shop.node("one") as store:
        old, _ = shop.rotate("chain")
        session = await history(store, 100, history_changes=0)
        store.follow_ring(shop.ring)
        commits = Commits(store, store.chain, worlds.sections(), 0)
        for number in range(100, 257):
            await commits.commit(worlds.BILLING, session.sid, worlds.merge({"profile": {"n": number}}))
        assert shop.outside.xrange(keys.history(session.sid), count=1)[0][0] != b"1-0"
    assert await shop.refusal(old) == ""


def test_cookie_and_context_keys_linger() -> None:
    """For ten minutes, and for as long as apps may be shown a token; a key that never made anything does not."""
    lingers: list[tuple[Use, int]] = [("cookie", 600), ("context", 720)]
    for use, seconds in lingers:
        old = Key(use, "a", "old", b"", "2026-01-01T00:00:00.000Z")
        since = 1_767_225_600
        assert seconds_left(old, since + 1) == seconds - 1
        with pytest.raises(Refused, match=r"until 2026-01-01T00:1[02]:00\.000Z"):
            check_linger(old, since + seconds - 1)
        check_linger(old, since + seconds)
        check_linger(replace(old, state="next"), since)


async def test_nodes_tell_which_keys_they_work_with(shop: Shop) -> None:
    """By name and state, at once when that changes; a node that left tells nothing; no secret is told."""
    async with shop.node("one") as store, shop.at_rest() as at_rest:
        active = shop.ring.master.active.kid
        assert (await at_rest.nodes())["one"]["master"] == {active: "active"}
        old, new = shop.rotate("master")
        store.follow_ring(shop.ring)

        async def is_told() -> bool:
            return (await at_rest.nodes())["one"]["master"] == {old.kid: "old", new: "active"}

        await eventually(is_told, 2)
        told = shop.outside.get(keys.node_keys("one"))
        assert all(secret not in told for secret in (old.secret, old.secret.hex().encode()))
        shop.outside.set(keys.node_keys("one"), "rubbish")
        assert (await at_rest.nodes())["one"] == {}
    async with shop.at_rest() as at_rest:
        assert await at_rest.nodes() == {}
