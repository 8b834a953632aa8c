"""P6: what a commit costs a node when there are 20,000 live sessions, by what it costs when there are 200.

``python -m tests.benchmarks.growth``. Two hubs, each with a store of its own, in alternating rounds; callers commit to
200 sessions of each. A third kind of round commits to all 20,000 at random: what it costs more is that each is cold in
the processor's caches (and would be read first if the node did not remember so many). Ratios are medians.
"""

from __future__ import annotations

import asyncio
import statistics

from tests.benchmarks.closed_loop import Spent, commits, commits_to_each
from tests.benchmarks.results import save
from tests.support.nodes import Cluster, cluster
from tests.support.storm import sessions

FEW, MANY = 200, 20_000
ROUNDS = 7
COMMITS = 4000


async def measure(few: Cluster, many: Cluster) -> list[tuple[Spent, Spent, Spent]]:
    """All rounds: at few, at many, and at many over all of them."""
    nodes = [await asyncio.to_thread(each.node) for each in (few, many)]
    sids = [[held.sid for held in await sessions(*each)] for each in ((few, FEW), (many, MANY))]
    for hub in zip((few, many), nodes, sids, strict=True):
        await commits_to_each(*hub)
    found: list[tuple[Spent, Spent, Spent]] = []
    for _ in range(ROUNDS):
        at_few = await commits(few, nodes[0], sids[0], COMMITS)
        at_many = await commits(many, nodes[1], sids[1][:FEW], COMMITS)
        found.append((at_few, at_many, await commits(many, nodes[1], sids[1], COMMITS)))
    return found


def main() -> None:
    """Measure and save."""
    with cluster() as few, cluster() as many:
        found = asyncio.run(measure(few, many))
    ratios = [at_many.node_us / at_few.node_us for at_few, at_many, _ in found]
    save(
        "growth",
        {
            "node_us_per_commit_at_200": statistics.median(at_few.node_us for at_few, _, _ in found),
            "node_us_per_commit_at_20000": statistics.median(at_many.node_us for _, at_many, _ in found),
            "node_us_per_commit_over_20000": statistics.median(over_all.node_us for _, _, over_all in found),
            "p6_ratio": statistics.median(ratios),
            "p6_ratio_least": min(ratios),
            "p6_ratio_most": max(ratios),
            "over_all_ratio": statistics.median(over_all.node_us / at_few.node_us for at_few, _, over_all in found),
            "store_us_per_commit_at_200": statistics.median(at_few.store_us for at_few, _, _ in found),
            "store_us_per_commit_at_20000": statistics.median(at_many.store_us for _, at_many, _ in found),
        },
    )


if __name__ == "__main__":
    main()
