"""Guesses are bounded, and commits of one session take turns."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from hub.sessions import guesses as module
from hub.sessions.guesses import Guesses, Queues
from tests.sessions.worlds import World


def test_a_guess_is_what_was_put_last() -> None:
    """Until it is dropped."""
    made, guesses = World().make(), Guesses()
    assert guesses.get(made.sid) is None
    guesses.put(made, 10)
    assert guesses.get(made.sid) is made
    guesses.drop(made.sid)
    guesses.drop(made.sid)
    assert guesses.get(made.sid) is None


def test_a_document_that_grew_large_leaves_no_older_guess_behind() -> None:
    """It would only be wrong from then on."""
    made, guesses = World().make(), Guesses()
    guesses.put(made, 10)
    guesses.put(made, module.LARGEST_DOCUMENT_BYTES + 1)
    assert guesses.get(made.sid) is None


def test_guesses_are_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of sessions."""
    monkeypatch.setattr(module, "MOST_SESSIONS", 50)
    world, guesses = World(), Guesses()
    sids = [world.make().sid for _ in range(module.MOST_SESSIONS + 1)]
    for sid in sids[:-1]:
        guesses.put(world.now(sid), 10)
    guesses.put(world.now(sids[0]), 10)  # used again: the second is the oldest now
    guesses.put(world.now(sids[-1]), 10)
    assert guesses.get(sids[0]) is not None
    assert guesses.get(sids[1]) is None
    assert guesses.get(sids[-1]) is not None


def test_all_guesses_together_have_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest make room; one put again counts once, one that was dropped not at all."""
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    world, guesses = World(), Guesses()
    one, two, three = (world.make() for _ in range(3))
    for _ in range(5):
        guesses.put(one, 50)
    guesses.put(two, 50)
    assert guesses.get(one.sid) is one
    guesses.put(three, 40)
    assert [guesses.get(each.sid) for each in (one, two, three)] == [None, two, three]
    guesses.drop(two.sid)
    guesses.put(one, 60)
    assert [guesses.get(each.sid) for each in (one, two, three)] == [one, None, three]


async def test_turns_are_first_come_first_served_for_each_session() -> None:
    """Other sessions do not wait."""
    queues, order = Queues(), list[str]()
    gate = asyncio.Event()

    async def one(sid: str, name: str) -> None:
        async with queues.turn(sid):
            order.append(name)
            await gate.wait()

    tasks = [asyncio.create_task(one(sid, name)) for sid, name in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")]]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == ["a1", "b1"]
    gate.set()
    await asyncio.gather(*tasks)
    assert order == ["a1", "b1", "a2", "a3"]
    assert queues._locks == {}


async def test_one_that_gives_up_waiting_leaves_the_queue_whole() -> None:
    """The next still gets its turn, and nothing is left behind."""
    queues, gate = Queues(), asyncio.Event()

    async def one() -> None:
        async with queues.turn("a"):
            await gate.wait()

    first, second, third = (asyncio.create_task(one()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    with suppress(asyncio.CancelledError):
        await second
    gate.set()
    await asyncio.gather(first, third)
    assert queues._locks == {}
