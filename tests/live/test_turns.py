"""Turns: so many at once, first come, first served, and none is ever lost."""

from __future__ import annotations

import asyncio

import pytest

from hub.live.turns import FIRST_GUESS_SECONDS, MEASURED_SECONDS, MEASUREMENTS, Turns


async def test_so_many_at_once_and_in_the_order_in_which_they_came() -> None:
    """Three of twenty; the others follow one by one."""
    turns, order, inside, most = Turns(3), list[int](), 0, 0

    async def read(number: int) -> None:
        nonlocal inside, most
        async with await turns.take():
            order.append(number)
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(read(number) for number in range(20)))
    assert (most, order) == (3, list(range(20)))
    assert turns.waiting == 0


async def test_a_turn_is_given_back_once() -> None:
    """However often it is said to be done."""
    turns = Turns(1)
    turn = await turns.take()
    turn.done()
    turn.done()
    await turns.take()
    second = asyncio.ensure_future(turns.take())
    await asyncio.sleep(0)
    assert not second.done()
    second.cancel()


@pytest.mark.parametrize("is_given", [False, True])
async def test_one_who_goes_while_waiting_takes_no_turn_along(is_given: bool) -> None:
    """Also when the turn came in the same moment."""
    turns = Turns(1)
    first = await turns.take()
    goes, stays = asyncio.ensure_future(turns.take()), asyncio.ensure_future(turns.take())
    await asyncio.sleep(0)
    if is_given:
        first.done()
    goes.cancel()
    if not is_given:
        first.done()
    async with asyncio.timeout(5):
        await stays
    assert goes.cancelled()


async def test_the_wait_is_judged_by_how_it_has_been_going() -> None:
    """Nobody waits, nothing to wait; then as many as wait, times what a turn took lately, at best."""
    now = 0.0
    turns = Turns(1, lambda: now)
    turn = await turns.take()
    assert turns.wait_seconds == 0
    waits = [asyncio.ensure_future(turns.take()) for _ in range(100)]
    await asyncio.sleep(0)
    assert turns.wait_seconds == pytest.approx(100 * FIRST_GUESS_SECONDS)
    for passed, wait in enumerate(waits[:MEASUREMENTS], start=1):
        assert turns.wait_seconds < 1, "slow for a moment is not slow"
        now += MEASURED_SECONDS * passed
        turn.done()
        turn = await wait
    assert turns.wait_seconds == pytest.approx((100 - MEASUREMENTS) * MEASURED_SECONDS)
    for wait in waits:
        wait.cancel()
