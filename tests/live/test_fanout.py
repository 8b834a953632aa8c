"""From the feed to connections: everyone who follows hears it, what cannot be opened is read, the end is the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from hub.core.ports import HeardChange, HeardEnd, HeardPresence
from hub.errors import Maintenance
from hub.live import fanout as module
from hub.live.opening import Wish
from hub.protocol.close_codes import CloseCode
from tests.live.stage import ENDING, EVERYBODY, Stage, Tab


def is_live(tab: Tab) -> bool:
    return "live" in tab.types


async def test_all_connections_of_a_session_hear_a_change_and_others_do_not() -> None:
    """Each as its view allows; a session nobody follows here costs nothing."""
    stage = Stage()
    async with stage.tab() as wide, stage.tab(Wish(app="a")) as narrow:
        await wide.until(is_live)
        await narrow.until(is_live)
        change = await stage.commit({"cart": [1]})
        await wide.until_at(change.position)
        await narrow.until_at(change.position)
        stage.fanout.on_heard(stage.feed.heard("nobody", change))
    assert wide.frames[-1]["ops"] == change.ops
    assert narrow.frames[-1].keys() == {"type", "base", "position", "ops", "at"}
    assert narrow.document == {"profile": {"name": "Ada"}}


async def test_a_message_that_does_not_open_means_reading_again() -> None:
    """The change arrives all the same, by a read."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        change = await stage.commit({"cart": [1]}, is_heard=False)
        stage.fanout.on_heard(HeardChange(stage.sid, change.position, b"broken"))
        await tab.until_at(change.position)
    assert tab.types[2] == "change"


async def test_a_lost_message_shows_at_the_next_one() -> None:
    """A gap: both arrive, in order."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        await stage.commit({"cart": [1]}, is_heard=False)
        last = await stage.commit({"cart": [2]})
        await tab.until_at(last.position)
    assert tab.types[2:4] == ["change", "change"]


async def test_after_a_lost_feed_everybody_reads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those to whom nothing happened: ``live`` says that they are right."""
    monkeypatch.setattr(module, "SPREAD_SECONDS", 0.01)
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        change = await stage.commit({"cart": [1]}, is_heard=False)
        stage.fanout.on_feed_restored(EVERYBODY)
        await tab.until_at(change.position)
        await tab.until(lambda tab: tab.types.count("live") == 2)


async def test_an_end_lost_with_the_feed_is_met_as_a_tombstone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reload finds the session over."""
    monkeypatch.setattr(module, "SPREAD_SECONDS", 0.01)
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        await stage.end()
        stage.fanout.on_feed_restored(EVERYBODY)
        await tab.until_closed()
    assert (tab.types[-1], tab.code) == ("ended", CloseCode.ENDED)


@pytest.mark.parametrize("sealed", [b"good", b"broken"])
async def test_an_end_reaches_every_connection(sealed: bytes) -> None:
    """Also where its message does not open: then the record is asked."""
    stage = Stage()
    async with stage.tab() as one, stage.tab() as two:
        await one.until(is_live)
        await two.until(is_live)
        await stage.end()
        stage.fanout.on_heard(HeardEnd(stage.sid, ENDING.at_ms, sealed))
        await one.until_closed()
        await two.until_closed()
    for tab in (one, two):
        assert (tab.frames[-1]["reason"], tab.frames[-1]["detail"], tab.code) == ("revoked", "by the desk", 4500)


async def test_an_end_nobody_can_confirm_ends_nothing() -> None:
    """Somebody who can only write to the channel cannot log anybody out."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        reads = stage.world.store.reads
        stage.fanout.on_heard(HeardEnd(stage.sid, 0, b"forged"))
        change = await stage.commit({"cart": [1]})
        await tab.until_at(change.position)
        assert stage.world.store.reads > reads
    assert tab.code is None


async def test_the_deadline_ends_the_session_on_time() -> None:
    """A timer asks the store, which decides; a deadline that moved meanwhile only sets the timer anew."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        follow = stage.fanout.registry.get(stage.sid)
        assert follow is not None
        store = stage.world.store
        store.clock.ms = stage.session.idle_expires_ms - 20
        stage.slide(idle_expires_ms=stage.session.idle_expires_ms + 30)
        stage.fanout.registry.learn(follow.session)  # the old deadline: 20 ms to go
        async with asyncio.timeout(5):
            await store.until_read()
        assert tab.code is None
        store.clock.ms += 100
        await tab.until_closed()
    assert tab.frames[-1]["reason"] == "idle"


async def test_a_check_during_an_outage_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the store answers; nobody is ended on suspicion."""
    monkeypatch.setattr(module, "READ_AGAIN_SECONDS", 0.001)
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        await stage.end()
        stage.world.store.failures = [Maintenance(), Maintenance(), Maintenance()]
        stage.fanout.on_heard(HeardEnd(stage.sid, 0, b"broken"))
        await tab.until_closed()
    assert tab.code == CloseCode.ENDED


async def test_a_record_that_vanished_closes_its_connections_and_watchers() -> None:
    """A copy of a session that is not there must not go on as if it were true."""
    stage = Stage()
    watching = asyncio.create_task(stage.fanout.watch(stage.session))
    async with stage.tab() as tab:
        await tab.until(is_live)
        del stage.world.store.sessions[stage.sid]
        await stage.rounds.check_positions()
        await stage.rounds.check_positions()
        await tab.until_closed()
        assert await asyncio.wait_for(watching, 5) == CloseCode.ENDED
    assert (tab.types[-1], tab.code) == ("live", CloseCode.UNAUTHENTICATED)


async def test_presence_is_told_to_those_who_asked_when_it_changed() -> None:
    """Without the names of nodes; the same again is not told again."""
    stage = Stage()
    one: dict[str, Any] = {"id": "c1", "app": "a", "since": "t"}
    stage.world.store.connected = [one | {"node": "n"}]
    async with stage.tab(Wish(presence=True)) as curious, stage.tab() as other:
        await curious.until(is_live)
        await other.until(is_live)
        for _ in range(2):
            stage.fanout.on_heard(HeardPresence(stage.sid))
        await curious.until(lambda tab: "presence" in tab.types)
        stage.world.store.connected.append(one | {"id": "c2", "node": "m"})
        stage.fanout.on_heard(HeardPresence(stage.sid))
        await curious.until(lambda tab: tab.types.count("presence") == 2)
    assert curious.frames[-2]["connections"] == [one]
    assert [each["id"] for each in curious.frames[-1]["connections"]] == ["c1", "c2"]
    assert "presence" not in other.types


async def test_a_mode_is_told_to_every_tab() -> None:
    """At every transition, and to a tab that opens in it."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        stage.fanout.on_mode("read_only", EVERYBODY)
        stage.mode = "read_only"
        async with stage.tab() as late:
            await late.until(lambda tab: "mode" in tab.types)
        stage.fanout.on_mode("live", EVERYBODY)
        await tab.until(lambda tab: tab.types.count("mode") == 2)
    assert [frame["mode"] for frame in tab.frames if frame["type"] == "mode"] == ["read_only", "live"]


async def test_that_all_is_well_is_told_after_reading_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a tab waits for its turn to read again, what it shows may be what the store has lost."""
    monkeypatch.setattr(module, "SPREAD_SECONDS", 0.05)
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        stage.fanout.on_mode("maintenance", EVERYBODY)
        change = await stage.commit({"cart": [1]}, is_heard=False)
        stage.fanout.on_feed_restored(EVERYBODY)
        stage.fanout.on_mode("live", EVERYBODY)
        await tab.until_at(change.position)
        await tab.until(lambda tab: tab.types.count("live") == 2)
    assert tab.types[-4:] == ["mode", "change", "mode", "live"]


async def test_a_watcher_is_told_of_the_end_and_of_one_that_was_before() -> None:
    """What rests on the session falls with it."""
    stage = Stage()
    watching = asyncio.create_task(stage.fanout.watch(stage.session))
    await asyncio.sleep(0)
    await stage.end()
    stage.fanout.on_heard(HeardEnd(stage.sid, ENDING.at_ms, b"good"))
    assert await asyncio.wait_for(watching, 5) == CloseCode.ENDED
    assert await asyncio.wait_for(stage.fanout.watch(replace(stage.session)), 5) == CloseCode.ENDED
    assert stage.fanout.registry.follows() == []
    assert set(stage.feed.counts.values()) == {0}
