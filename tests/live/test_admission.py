"""Who is let in: a place for everybody up to the limit, a turn soon, memory to spare; and nobody is put out for it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from hub.errors import Overloaded
from hub.live import admission as module
from hub.live.admission import Admission
from hub.live.turns import AT_ONCE
from tests.live.stage import Stage


def door(stage: Stage, most: int = 0) -> Admission:
    """Of the stage's node."""
    return Admission(stage.fanout, stage.rounds.memory, most)


async def refusal(door: Admission) -> Overloaded:
    """What the next one is told at once."""
    with pytest.raises(Overloaded) as refused:
        await asyncio.wait_for(door.enter(), 1)
    assert int(refused.value.headers()["Retry-After"]) >= 1
    return refused.value


async def test_those_on_their_way_in_count_towards_the_limit() -> None:
    """Not the connections alone: a thousand could come before the first one is counted. Who gives up makes room."""
    stage = Stage()
    stage.fanout.registry.count = 1
    at = door(stage, most=3)
    one, two = await at.enter(), await at.enter()
    await refusal(at)
    one.over()
    one.over()
    await at.enter()
    await refusal(at)
    two.counted()
    stage.fanout.registry.count += 1
    await refusal(at)


async def test_more_than_can_be_opened_soon_are_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those in the queue stay in it; when it is short again, the next one may wait. One log record each."""
    monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.0015)
    at = door(Stage())
    inside = [await at.enter() for _ in range(AT_ONCE)]
    with caplog.at_level(logging.WARNING, "hub.live"):
        waits = [asyncio.ensure_future(at.enter()) for _ in range(2)]
        await asyncio.sleep(0)
        for _ in range(3):
            await refusal(at)
        for opening in inside[:2]:
            opening.over()
        await asyncio.wait_for(asyncio.gather(*waits), 1)
        third = asyncio.ensure_future(at.enter())
        await asyncio.sleep(0)
    assert not third.done()
    third.cancel()
    assert [record.__dict__["why"] for record in caplog.records] == ["openings", "over"]


async def test_nobody_is_taken_on_while_memory_is_short() -> None:
    """And those who are here stay."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        stage.rounds.memory.is_short = True
        await refusal(stage.live.admission)
        change = await stage.commit({"cart": [1]})
        await tab.until_at(change.position)
        assert tab.code is None
        stage.rounds.memory.is_short = False
        (await stage.live.admission.enter()).over()


async def test_those_who_wait_at_a_node_that_leaves_are_told() -> None:
    """At their turn, like those who come later: another node may take them at once."""
    at = door(Stage())
    inside = [await at.enter() for _ in range(AT_ONCE)]
    waits = asyncio.ensure_future(at.enter())
    await asyncio.sleep(0)
    at.draining = True
    inside[0].over()
    with pytest.raises(Overloaded):
        await asyncio.wait_for(waits, 1)
    await refusal(at)
    for opening in inside[1:]:
        opening.over()
    at.draining = False
    again = [await asyncio.wait_for(at.enter(), 1) for _ in range(AT_ONCE)]
    assert len(again) == AT_ONCE
