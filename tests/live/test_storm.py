"""Thousands who open or read again at once: a few at a time, and whoever commits is not behind them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from hub.core.position import Position
from hub.errors import Maintenance
from hub.live import fanout as module
from hub.live.turns import AT_ONCE
from hub.sessions.sessions import CatchUp, Sessions
from tests.live.stage import EVERYBODY, Stage, Tab
from tests.support.waiting import eventually

TABS = 4 * AT_ONCE
SECONDS = 5.0


class Slow:
    """A store that answers reads of whole documents when it is told to; counts how many it is asked for at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers, self.inside, self.most = asyncio.Event(), 0, 0
        self.answers.set()
        read = Sessions.catch_up

        async def catch_up(sessions: Sessions, sid: str, since: Position | None, limit: int) -> CatchUp | None:
            self.inside += 1
            self.most = max(self.most, self.inside)
            try:
                await self.answers.wait()
                return await read(sessions, sid, since, limit)
            finally:
                self.inside -= 1

        monkeypatch.setattr(Sessions, "catch_up", catch_up)

    async def is_busy(self) -> None:
        """Until it is asked for as many as there may be at once."""

        async def is_so() -> bool:
            return self.inside >= AT_ONCE

        await eventually(is_so)


async def open_tabs(stage: Stage, stack: AsyncExitStack) -> list[Tab]:
    """Many, all live."""
    tabs = [await stack.enter_async_context(stage.tab()) for _ in range(TABS)]
    for tab in tabs:
        await tab.until(lambda tab: "live" in tab.types)
    return tabs


async def test_reloads_after_a_lost_feed_are_bounded_and_a_commit_is_not_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While as many as may read wait for the store, a commit of one of the tabs is answered; then all arrive."""
    monkeypatch.setattr(module, "SPREAD_SECONDS", 0.01)
    slow, stage = Slow(monkeypatch), Stage(per_session=TABS)
    async with AsyncExitStack() as stack:
        tabs = await open_tabs(stage, stack)
        slow.answers.clear()
        slow.most = 0
        stage.fanout.on_feed_restored(EVERYBODY)
        await slow.is_busy()
        done = tabs[0].commit(1, {"cart": [1]})
        await tabs[0].until(lambda tab: done in tab.answers)
        assert slow.inside == AT_ONCE
        slow.answers.set()
        for tab in tabs:
            await tab.until_at(stage.now.position)
            await tab.until(lambda tab: tab.types.count("live") == 2)
    assert slow.most == AT_ONCE


async def test_an_opening_holds_its_turn_until_it_has_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening and first read are one turn: more than these do not begin to open."""
    slow, stage = Slow(monkeypatch), Stage(per_session=TABS)
    async with AsyncExitStack() as stack:
        slow.answers.clear()
        for _ in range(AT_ONCE):
            await stack.enter_async_context(stage.tab())
        await slow.is_busy()
        one_more = asyncio.ensure_future(stage.live.admission.enter())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not one_more.done()
        slow.answers.set()
        (await asyncio.wait_for(one_more, SECONDS)).over()


async def test_those_who_wait_for_the_store_hold_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """In maintenance many connections want to read; a store that is back finds all turns free."""
    stage = Stage(per_session=TABS)
    async with AsyncExitStack() as stack:
        tabs = await open_tabs(stage, stack)
        stage.is_live.clear()
        stage.world.store.failures = [Maintenance() for _ in tabs]
        stage.fanout.reload(stage.fanout.registry.follows()[0], "missed")

        async def all_failed() -> bool:
            return not stage.world.store.failures

        await eventually(all_failed)
        turns = [await asyncio.wait_for(stage.fanout.turns.take(), SECONDS) for _ in range(AT_ONCE)]
        for turn in turns:
            turn.done()
        assert stage.world.store.failures == []
        stage.is_live.set()
        for tab in tabs:
            await tab.until(lambda tab: tab.types.count("live") == 2)
