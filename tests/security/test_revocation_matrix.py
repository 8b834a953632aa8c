"""Every road of ending, for three people with ten tabs each over two nodes; the feed well, cut, or losing ends."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from tests.faults.stage import CRIPPLED
from tests.security.roads import ROADS, Place, Road, place_of, short_lived
from tests.security.scenes import Outcome, Scene, set_scene
from tests.support.nodes import Cluster, Node, cluster

pytestmark = [pytest.mark.edge, pytest.mark.timeout(120)]

AT_ONCE_SECONDS = 1.0
FEED_CUT_SECONDS = 6.0
CUT_FOR_SECONDS = 1.0
CALM_SECONDS = 0.2  # between the commits to a session, where all roads are gone at once
CHECK_SECONDS = 3.0  # two rounds of the position check, which is made to come twice a second, with room


def start(made: Cluster, cripples: str = "") -> tuple[list[Node], Node]:
    """Two nodes, and one that opens short sessions."""
    nodes = [made.node(CRIPPLED, CRIPPLES=cripples) for _ in range(2)]
    return nodes, short_lived(made, CRIPPLED, cripples, idle="3s", absolute="5s")


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[Cluster, list[Node], Node]]:
    """For all tests here but the one with nodes that lack something."""
    with cluster() as made:
        yield made, *start(made)


@pytest.fixture
async def place(stage: tuple[Cluster, list[Node], Node]) -> AsyncIterator[Place]:
    """With clients of its own: they belong to a test's loop."""
    async with place_of(*stage) as made:
        yield made


def report(record: Callable[[str, object], None], outcomes: list[Outcome]) -> None:
    """Print how long the tabs of each road were left open."""
    for outcome in outcomes:
        median, most = statistics.median(outcome.seconds) * 1000, max(outcome.seconds) * 1000
        print(f"{outcome.road:<22}{len(outcome.seconds):>3} tabs, median {median:6.0f} ms, most {most:6.0f} ms")
        record(outcome.road, most)


@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.name)
async def test_all_tabs_of_the_ended_are_told_and_closed_within_a_second(
    place: Place, road: Road, record_property: Callable[[str, object], None]
) -> None:
    """From the request (or the deadline) to the last close; the tabs of others hear nothing of it."""
    async with AsyncExitStack() as stack:
        scene = await set_scene(place, road, stack)
        outcome = await scene.play(AT_ONCE_SECONDS)
        await scene.aftermath()
        report(record_property, [outcome])


async def play_all(
    place: Place, roads: Sequence[Road], limit_seconds: float, before: Callable[[list[Scene]], Awaitable[object]]
) -> list[Outcome]:
    """These roads at once; ``before`` is waited for when everybody sits."""
    async with AsyncExitStack() as stack:
        long, short = ([road for road in roads if road.is_short is is_short] for is_short in (False, True))
        scenes: list[Scene] = [await set_scene(place, road, stack) for road in long]
        scenes += await asyncio.gather(*(set_scene(place, road, stack) for road in short))
        await before(scenes)
        outcomes = await asyncio.gather(*(scene.play(limit_seconds, CALM_SECONDS) for scene in scenes))
        await asyncio.gather(*(scene.aftermath(is_disturbed=True) for scene in scenes))
        return outcomes


@pytest.mark.parametrize("is_command", [False, True], ids=["requests and deadlines", "commands"])
async def test_with_the_feed_cut_just_before_all_are_closed_within_six_seconds(
    place: Place, is_command: bool, record_property: Callable[[str, object], None]
) -> None:
    """Cut again and again until the sessions have ended, so that no node hears of it. Commands start slowly, so they
    have a cut of their own."""
    cutting: list[asyncio.Task[int]] = []

    async def keep_cutting(scenes: list[Scene], is_cut: asyncio.Event) -> int:
        loop, cut = asyncio.get_running_loop(), 0
        until = loop.time() + CUT_FOR_SECONDS
        async with Redis.from_url(place.cluster.store_url) as store:
            while loop.time() < until or not all(scene.is_travelled or scene.road.is_short for scene in scenes):
                cut += int(await store.client_kill_filter(_type="pubsub"))
                is_cut.set()
        return cut

    async def begin(scenes: list[Scene]) -> None:
        is_cut = asyncio.Event()
        cutting.append(asyncio.create_task(keep_cutting(scenes, is_cut)))
        await is_cut.wait()

    roads = [road for road in ROADS if road.is_command is is_command]
    outcomes = await play_all(place, roads, FEED_CUT_SECONDS, begin)
    assert await cutting[0] >= 6, "no feed was there to be cut again and again"
    report(record_property, outcomes)


async def nothing(_: list[Scene]) -> None:
    """Happens before the ends."""


async def test_ends_whose_one_message_was_lost_are_found_by_the_position_check(
    record_property: Callable[[str, object], None],
) -> None:
    """No end is published: the next two position checks find it (twice a second here, every ten seconds outside)."""
    with cluster() as made:
        async with place_of(made, *start(made, "mute_ends,hasty")) as place:
            outcomes = await play_all(place, ROADS, CHECK_SECONDS, nothing)
    report(record_property, outcomes)
