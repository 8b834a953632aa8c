"""All nodes are replaced, one after the other, under load: every request is answered, and every tab comes back."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import pytest

from tests.faults.busy import BACK_SECONDS, Busy
from tests.faults.lengths import IS_LONG
from tests.faults.stage import CRIPPLED
from tests.support.copies import Copy
from tests.support.load import Load, Track
from tests.support.nodes import Cluster, Node, cluster
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600 if IS_LONG else 90)]

TIMES = 5 if IS_LONG else 1
COUNTS = [2, 3] if IS_LONG else [3]  # two of them behind nginx: tests/deploy/test_topology.py
QUIET_SECONDS = 10.0
EXIT_SECONDS = 30.0
LONGEST_SILENCE_SECONDS = 8.0  # the window over which tabs are asked to spread, and time to be live again


async def replace(made: Cluster, node: Node, number: int) -> None:
    """End a node with this signal and start another one at its place."""
    node.process.send_signal(number)
    code = await asyncio.to_thread(node.process.wait, EXIT_SECONDS)
    assert code == (0 if number == signal.SIGTERM else -number)
    new = await asyncio.to_thread(lambda: made.node(CRIPPLED, port=node.port))
    node.process = new.process


async def roll(count: int, number: int, times: int) -> tuple[Load, Track, list[str]]:
    """Replace so many nodes in turn. What does not hold, and requests that were sent and never answered."""
    with cluster() as made:
        starting = (asyncio.to_thread(lambda: made.node(CRIPPLED, port=None)) for _ in range(count))
        nodes = await asyncio.gather(*starting)
        async with Load(made, nodes, 0.0) as load:
            busy = Busy(nodes, load)
            track = await load.track("ada", [*nodes, *nodes])
            async with busy.busy(track):
                for node in islice(cycle(nodes), times):
                    await replace(made, node, number)
                    await busy.until_more(20)
                await eventually(lambda: _all_live(track), BACK_SECONDS)
            found = await load.settle(QUIET_SECONDS)
        if load.unanswered:
            found.append(f"{load.unanswered} requests were broken off")
        return load, track, found


async def _all_live(track: Track) -> bool:
    return all(copy.story.frames and copy.story.frames[-1].message["type"] != "closed" for copy in track.copies)


def silences(copy: Copy) -> list[float]:
    """How long a tab was without a node each time, until it was live again."""
    found, since = list[float](), None
    for frame in copy.story.frames:
        match frame.message["type"]:
            case "closed" if since is None:
                since = frame.at
            case "live" if since is not None:
                found.append(frame.at - since)
                since = None
    return found


@pytest.mark.parametrize("count", COUNTS)
async def test_a_rolling_restart_costs_nobody_an_answer(count: int, row: Callable[[str], Any]) -> None:
    """SIGTERM: what is under way is answered, tabs go elsewhere and miss nothing, and the process leaves with 0."""
    load, track, found = await roll(count, signal.SIGTERM, count * TIMES)
    longest = [max(silences(copy)) for copy in track.copies]
    line = row(f"{count} nodes restarted")
    line.operations, line.injected, line.violations = load.operations, count * TIMES, len(found)
    line.figures = f"every request answered, {len(longest)} tabs back, longest silence {max(longest):.1f} s"
    assert not found, found[:5]
    assert max(longest) < LONGEST_SILENCE_SECONDS


async def test_nodes_that_are_killed_instead_cost_answers(row: Callable[[str], Any]) -> None:
    """Negative control."""
    found: list[str] = []
    for _ in range(3):  # whether something was just on its way is chance
        _, _, found = await roll(2, signal.SIGKILL, 1)
        if caught := [fact for fact in found if "broken off" in fact]:
            break
    for count in COUNTS:
        row(f"{count} nodes restarted").control = "caught: requests broken off" if caught else "NOT CAUGHT"
    assert caught, found[:5]
