"""The sweeps of a node: signs of life, tabs that do not read, positions left behind by a lost message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from hub.core.ports import HeardPresence
from hub.core.position import Position
from hub.live import rounds as module
from hub.live.opening import Wish
from hub.live.registry import Follow
from hub.protocol.close_codes import CloseCode
from hub.protocol.conversation import Phase
from tests.live.stage import Stage, Tab


def is_live(tab: Tab) -> bool:
    return "live" in tab.types


def _phase(tab: Tab) -> Phase:
    return tab.connection.conversation.phase


async def test_a_quiet_tab_gets_a_heartbeat_and_a_busy_one_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the position it should stand at."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        await stage.rounds.look_at_connections()
        tab.connection.last_written -= module.HEARTBEAT_SECONDS
        await stage.rounds.look_at_connections()
        await tab.until(lambda tab: "heartbeat" in tab.types)
    assert tab.types == ["snapshot", "live", "heartbeat"]
    assert tab.frames[-1]["position"] == tab.at


async def test_a_tab_that_reads_nothing_for_twenty_seconds_is_closed() -> None:
    """4002, and its neighbour notices nothing."""
    stage = Stage()
    async with stage.tab() as slow, stage.tab() as quick:
        await slow.until(is_live)
        await quick.until(is_live)
        slow.pause()
        change = await stage.commit({"cart": [1]})
        await quick.until_at(change.position)
        now = asyncio.get_running_loop().time()
        assert slow.connection.seconds_stuck(now + 1) >= 1
        slow.connection._sending_since = now - module.STUCK_SECONDS - 1
        await stage.rounds.look_at_connections()
        await slow.until_closed()
    assert (slow.code, quick.code) == (CloseCode.SLOW, None)


async def test_a_last_message_lost_without_a_trace_is_noticed() -> None:
    """Behind at two checks in a row means reading again; once may be a message on its way."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        change = await stage.commit({"cart": [1]}, is_heard=False)
        reads = stage.world.store.reads
        await stage.rounds.check_positions()
        assert _phase(tab) is Phase.LIVE
        await stage.rounds.check_positions()
        assert _phase(tab) is Phase.READING
        await tab.until_at(change.position)
        assert stage.world.store.reads == reads + 1


async def test_an_end_lost_without_a_trace_is_noticed() -> None:
    """The position check finds that there is none any more."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        await stage.end()
        await stage.rounds.check_positions()
        await stage.rounds.check_positions()
        await tab.until_closed()
    assert (tab.types[-1], tab.code) == ("ended", CloseCode.ENDED)


async def test_a_node_that_died_is_noticed_by_looking_again_who_is_connected() -> None:
    """Its tabs vanish from presence without a message."""
    stage = Stage()
    one = {"id": "c", "app": None, "since": "t", "node": "dead"}
    stage.world.store.connected = [one]
    async with stage.tab(Wish(presence=True)) as tab:
        await tab.until(is_live)
        stage.fanout.on_heard(HeardPresence(stage.sid))
        await tab.until(lambda tab: "presence" in tab.types)
        stage.world.store.connected = []
        await stage.rounds.check_presence()
        await tab.until(lambda tab: tab.frames[-1].get("connections") == [])


async def test_many_sessions_are_checked_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is not asked for thousands of positions in one go, and every session has its turn."""
    monkeypatch.setattr(module, "POSITIONS_AT_ONCE", 3)
    stage = Stage()
    follows = [Follow(replace(stage.session, sid=f"{number:016x}-{'x' * 22}")) for number in range(10)]
    monkeypatch.setattr(stage.fanout.registry, "follows", lambda: follows)
    asked: list[list[str]] = []

    async def positions(sids: Sequence[str]) -> list[Position | None]:
        asked.append(list(sids))
        return [stage.session.position for _ in sids]

    monkeypatch.setattr(stage.feed, "positions", positions)
    await stage.rounds.check_positions()
    assert [len(each) for each in asked] == [3, 3, 3, 1]
    assert [sid for each in asked for sid in each] == [follow.session.sid for follow in follows]
