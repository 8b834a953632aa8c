"""Storms on real nodes: a node dies under hundreds of tabs, a store comes back to them; nobody else notices much."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.crowd import Crowd
from tests.support.nodes import Cluster, cluster
from tests.support.pace import Pace
from tests.support.stores import kill
from tests.support.storm import crowds, differing, open_all, sessions, storm
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults]

SESSIONS, TABS_EACH = 150, 4
PER_SECOND = 100.0
BACK_SECONDS = 15.0


async def test_all_tabs_of_a_killed_node_are_live_on_the_other_and_miss_nothing(hub_cluster: Cluster) -> None:
    """Within 15 s, with the copies that the store has; every caller of the other node is served meanwhile."""
    nodes = (await asyncio.to_thread(hub_cluster.node), await asyncio.to_thread(hub_cluster.node))
    held = await sessions(hub_cluster, SESSIONS)
    found = await storm(
        hub_cluster,
        nodes,
        held,
        tabs_each=TABS_EACH,
        processes=1,
        quiet_seconds=1,
        per_second=PER_SECOND,
        latest_seconds=BACK_SECONDS,
    )
    assert found.wrong == []
    assert len(found.back) == SESSIONS * TABS_EACH
    assert found.back[-1] <= BACK_SECONDS
    assert found.refusals == []
    assert found.commits > 0
    nodes[1].kill()


async def test_a_store_that_comes_back_is_read_by_all_tabs_and_none_was_sent_away() -> None:
    """All reload on the connections they have; while they do, callers commit and read; no copy differs afterwards."""
    with cluster() as made:
        node = await asyncio.to_thread(made.node)
        held = await sessions(made, SESSIONS)
        async with crowds(1) as crowd, Pace() as pace:
            await open_all(crowd, [each.token for each in held for _ in range(TABS_EACH)], [node.port])
            kill(made.store)
            await asyncio.to_thread(made.store.start)
            await until_all_read_again(crowd[0])
            await pace.start(node.port, [each.sid for each in held], PER_SECOND)
            await asyncio.sleep(1)  # callers, for as long as that
            answered = await pace.stop()
            assert {each.status for each in answered} == {200}
            assert await differing(made, crowd, held, TABS_EACH) == []
            counts = (await crowd[0].report()).counts
            assert not [name for name in counts if name.startswith("closed")]


async def until_all_read_again(crowd: Crowd) -> None:
    """Each tab was live, and is live again."""

    async def is_so() -> bool:
        return (await crowd.report()).counts["live"] >= 2 * SESSIONS * TABS_EACH

    await eventually(is_so, BACK_SECONDS)
