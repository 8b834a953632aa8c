"""P6: what a commit costs a node when there are 20,000 live sessions, by what it costs when there are 200.

``python -m tests.benchmarks.growth``. Two hubs, each with a store of its own, in alternating rounds; commits go to all
sessions at random, each of which has had one before. The ratio is the median of those of the rounds.
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


async def measure(few: Cluster, many: Cluster) -> tuple[list[Spent], list[Spent]]:
    """All rounds, of both."""
    nodes = [await asyncio.to_thread(each.node) for each in (few, many)]
    sids = [[held.sid for held in await sessions(*each)] for each in ((few, FEW), (many, MANY))]
    hubs = list(zip((few, many), nodes, sids, strict=True))
    found: list[list[Spent]] = [[], []]
    for hub in hubs:
        await commits_to_each(*hub)
    for _ in range(ROUNDS):
        for kept, hub in zip(found, hubs, strict=True):
            kept.append(await commits(*hub, COMMITS))
    return found[0], found[1]


def main() -> None:
    """Measure and save."""
    with cluster() as few, cluster() as many:
        at_few, at_many = asyncio.run(measure(few, many))
    ratios = [late.node_us / early.node_us for early, late in zip(at_few, at_many, strict=True)]
    save(
        "growth",
        {
            "node_us_per_commit_at_200": statistics.median(each.node_us for each in at_few),
            "node_us_per_commit_at_20000": statistics.median(each.node_us for each in at_many),
            "p6_ratio": statistics.median(ratios),
            "p6_ratio_least": min(ratios),
            "p6_ratio_most": max(ratios),
            "store_us_per_commit_at_200": statistics.median(each.store_us for each in at_few),
            "store_us_per_commit_at_20000": statistics.median(each.store_us for each in at_many),
        },
    )


if __name__ == "__main__":
    main()
