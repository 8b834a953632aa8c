"""The network falls apart: packets between machines get lost, and nobody is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.faults.busy import BACK_SECONDS
from tests.faults.divided import NODES, OTHERS, PRIMARY, Answers, Divided, divided
from tests.faults.lengths import IS_LONG
from tests.faults.promoted import QUIET_SECONDS
from tests.support.load import Track, new_key
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.faults,
    pytest.mark.netns,
    pytest.mark.redis_server,
    pytest.mark.timeout(300 if IS_LONG else 90),
]

ROUNDS = 5 if IS_LONG else 1
NOTICED_SECONDS = 4.0  # a call that gets no answer takes two, and one before it may have been under way
BESIDE_SECONDS = 3.0  # that long a node may stand beside a primary that was replaced
MORE_SECONDS = 0.5  # of reads after that: none of them may be old
LEAVES_SECONDS = 4.0  # and that long after the cut it may answer, whatever was replaced when
CONTROL_QUIET_SECONDS = 1.0


@asynccontextmanager
async def asking(made: Divided, node: int, track: Track) -> AsyncIterator[Answers]:
    """A user who never stops asking this node."""
    answers = Answers()
    task = asyncio.create_task(answers.ask(made.load.client_of(made.nodes[node]), track.opened))
    try:
        yield answers
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def cut_off_a_node(made: Divided, track: Track, quiet: Track) -> tuple[float, float]:
    """From everything but its callers, and back. How long it took to say so, and how long to be there again. In a quiet
    session one thing is committed meanwhile, and nothing after it."""
    async with asking(made, 1, track) as answers:
        cut = made.part(NODES[1])
        key = new_key(0)
        assert await made.load.commit(quiet, 0, made.load.ops(key), key)
        await eventually(lambda: _has_said(answers, 503, cut), BACK_SECONDS)
        await made.until_more(20)
        back = made.join()
        await eventually(lambda: _has_said(answers, 200, back), BACK_SECONDS)
    assert {status for _, status in answers.said} <= {200, 503}
    return answers.first(503, cut), answers.first(200, back)


async def _has_said(answers: Answers, status: int, since: float) -> bool:
    return answers.first(status, since) < float("inf")


async def _has_said_something(answers: Answers, since: float) -> bool:
    return answers.said[-1][0] > since


async def cut_off_the_primary(made: Divided, track: Track) -> tuple[float, float]:
    """With a node beside it, from replicas and sentinels, and back. How long that node went on answering, and how long
    it took until the other one had a commit acknowledged again."""
    old, rest = made.store.servers[PRIMARY], [made.store.sentinels[number] for number in OTHERS]
    async with asking(made, 0, track) as answers:
        cut = made.part(PRIMARY, NODES[0])
        await asyncio.to_thread(made.store.until_moved, old, rest)
        forgiven_until = time.monotonic() + BESIDE_SECONDS
        track.recorded.deposed = (cut, forgiven_until)
        await made.until_more(20)
        goes_on = min(each.answered for each in track.recorded.acknowledged[-20:]) - cut
        await eventually(lambda: _has_said_something(answers, forgiven_until + MORE_SECONDS), BACK_SECONDS)
        await made.until_more(20)
        back = made.join()
        await eventually(lambda: _has_said(answers, 200, back), BACK_SECONDS)
    assert {status for _, status in answers.said} <= {200, 503}
    return answers.last(200, cut, back), goes_on


async def settle(made: Divided, quiet_seconds: float) -> list[str]:
    """What does not hold, once sentinels agree again."""
    primary = await asyncio.to_thread(lambda: made.store.primary)
    made.load.cluster.store_url = f"unix://{primary.socket}"
    return await made.settle(quiet_seconds)


async def test_a_node_that_is_cut_off_and_a_primary_that_is(row: Callable[[str], Any]) -> None:
    """A node without a store says so, and comes back; one beside a primary that reaches nobody stops answering, and the
    other side goes on. Nothing acknowledged is lost, and nobody reads what is no longer so."""
    cuts, primaries = list[tuple[float, float]](), list[tuple[float, float]]()
    async with divided() as made:
        track, quiet = await made.living(), await made.load.track("linus", made.nodes)
        async with made.busy(track):
            for _ in range(ROUNDS):
                cuts.append(await cut_off_a_node(made, track, quiet))
            primaries.append(await cut_off_the_primary(made, track))
        found = await settle(made, QUIET_SECONDS)
    for name, count in (("node cut off", ROUNDS), ("primary cut off", 1)):
        line = row(name)
        line.operations, line.injected, line.violations = made.load.operations, count, len(found)
    seen, back = (max(each) for each in zip(*cuts, strict=True))
    row("node cut off").figures = f"says so {seen:.1f} s after the cut, answers {back:.1f} s after its end (worst)"
    answered, goes_on = primaries[0]
    row(
        "primary cut off"
    ).figures = f"node beside it answers for {answered:.1f} s, the other side after {goes_on:.1f} s"
    assert not found, found[:5]
    assert seen < NOTICED_SECONDS
    assert answered < LEAVES_SECONDS


async def test_without_watching_and_reading_again_the_checker_objects(row: Callable[[str], Any]) -> None:
    """Negative control: the node beside the primary trusts it, and tabs of the other are not told to read again."""
    async with divided(("unwatched", "deaf,unchecked")) as made:
        track, quiet = await made.living(), await made.load.track("linus", made.nodes)
        async with made.busy(track):
            await cut_off_a_node(made, track, quiet)
            await cut_off_the_primary(made, track)
        found = await settle(made, CONTROL_QUIET_SECONDS)
    for name, broken in (("node cut off", "copies_arrive"), ("primary cut off", "reads_follow")):
        caught = [fact for fact in found if f" {broken}: " in fact]
        row(name).control = f"caught by {broken}" if caught else "NOT CAUGHT"
        assert caught, found[:5]
