"""A few pieces of work a turn of the loop, all of them in the end, in their order."""

from __future__ import annotations

import asyncio

from hub.cli.pacing import Pace


async def test_no_turn_does_more_than_so_many_and_none_is_lost() -> None:
    """Those that find no room wait; one that comes later does not overtake them."""
    pace, done, turns = Pace(3), list[int](), list[int]()
    for number in range(10):
        if pace.may_begin():
            done.append(number)
        else:
            pace.later(lambda number=number: done.append(number))  # type: ignore[misc]
    turns.append(len(done))
    while len(done) < 10:
        await asyncio.sleep(0)
        assert len(done) == 10 or not pace.may_begin(), "it overtook those who wait"
        turns.append(len(done) - sum(turns))
    assert done == list(range(10))
    assert max(turns) == 3


async def test_when_nobody_waits_there_is_room_again() -> None:
    """In the next turn."""
    pace = Pace(1)
    assert pace.may_begin()
    assert not pace.may_begin()
    await asyncio.sleep(0)
    assert pace.may_begin()
