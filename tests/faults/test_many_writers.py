"""Seven writers on two nodes, blind and with ``If-Match``: one history, exact counters, tabs equal to the store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from hub.core.json import equal
from tests.faults.stage import CRIPPLED
from tests.support.histories import document_at, marks, revision
from tests.support.load import Load
from tests.support.nodes import Cluster, cluster

pytestmark = pytest.mark.faults

COMMITS = 700
SECONDS = 40.0


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """Nodes of its own: they may be crippled."""
    with cluster() as made:
        yield made


async def write(own_cluster: Cluster, cripples: str, commits: int) -> tuple[Load, list[str]]:
    """Load one session until there are so many commits; what does not hold."""
    nodes = [own_cluster.node(CRIPPLED, CRIPPLES=cripples) for _ in range(2)]
    async with Load(own_cluster, nodes, SECONDS, commits) as load:
        track = await load.track("ada", [nodes[0], nodes[1], nodes[1]])
        await asyncio.gather(
            *(load.write_blind(track, number) for number in range(3)),
            *(load.write_matching(track, number) for number in range(3, 6)),
            load.write_from_tab(track, 6),
            load.read(track, 7),
        )
        return load, await load.settle(5.0)


async def test_seven_writers_on_two_nodes_make_one_history(own_cluster: Cluster) -> None:
    """At least 700 commits: consecutive, distinct, each counted once; every tab ends equal to the store."""
    load, found = await write(own_cluster, "", COMMITS)
    assert not found, found[:5]
    recorded = load.tracks[0].recorded
    assert len(recorded.acknowledged) >= COMMITS
    last = recorded.history[-1]["position"]
    assert revision(last) - revision(recorded.first_position) == len(recorded.acknowledged)
    assert set(marks(recorded)) == {each.key for each in recorded.acknowledged}
    assert document_at(recorded)["profile"]["count"] == load.tracks[0].matching > 0
    assert all(copy.position == last for copy in load.tracks[0].copies)
    assert equal(document_at(recorded), recorded.reads[-1].document) or recorded.reads[-1].position != last


async def test_without_the_comparison_in_the_script_the_checker_objects(own_cluster: Cluster) -> None:
    """Negative control: writers overwrite each other, and it shows."""
    _, found = await write(own_cluster, "incomparable", 100)
    assert any("nothing_lost" in fact for fact in found), found[:5]
