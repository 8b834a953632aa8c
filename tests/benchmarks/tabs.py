"""P5 and the price of tabs: what an open one costs in memory and rest, what opening and delivering cost.

``python -m tests.benchmarks.tabs [TABS]``. One node, tabs of 4 to a session in two processes beside it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis

from tests.benchmarks.closed_loop import commits
from tests.benchmarks.measuring import cpu_seconds, resident_kib
from tests.benchmarks.results import save
from tests.support.nodes import Cluster, Node, cluster
from tests.support.stores import pid_of
from tests.support.storm import Held, crowds, open_all, sessions
from tests.support.truth import store_of

TABS_EACH = 4
IDLE_SECONDS = 50.0  # two heartbeats, five checks of positions
SETTLE_SECONDS = 3.0
COMMITS = 4000
ASKED, AT_ONCE = 50_000, 100


async def measure(hub: Cluster, node: Node, tabs: int) -> dict[str, float]:
    """All figures."""
    held = await sessions(hub, tabs // TABS_EACH)
    sids = [each.sid for each in held]
    store_empty = await store_bytes(hub)
    await commits(hub, node, sids, COMMITS)
    alone = await commits(hub, node, sids, COMMITS)
    pids = (node.process.pid, pid_of(hub.store))
    before = [cpu_seconds(pid) for pid in pids]
    small, subscribed_before = resident_kib(pids[0]), await store_bytes(hub)
    async with crowds(2) as crowd:
        await open_all(crowd, tokens(held), [node.port])
        opened = [cpu_seconds(pid) - was for pid, was in zip(pids, before, strict=True)]
        await asyncio.sleep(SETTLE_SECONDS)
        large, subscribed_after = resident_kib(pids[0]), await store_bytes(hub)
        before = [cpu_seconds(pid) for pid in pids]
        await asyncio.sleep(IDLE_SECONDS)
        idle = [cpu_seconds(pid) - was for pid, was in zip(pids, before, strict=True)]
        followed = await commits(hub, node, sids, COMMITS)
        rest = [spent / IDLE_SECONDS * 1e6 / followed.per_second for spent in idle]
    return await store_costs(hub, sids) | {
        "tabs": tabs,
        "node_kib_empty": small,
        "node_kib_per_tab": (large - small) / tabs,
        "node_us_per_opening": opened[0] / tabs * 1e6,
        "store_us_per_opening": opened[1] / tabs * 1e6,
        "node_us_per_idle_tab_and_second": idle[0] / IDLE_SECONDS / tabs * 1e6,
        "store_us_per_idle_tab_and_second": idle[1] / IDLE_SECONDS / tabs * 1e6,
        "node_us_per_commit_alone": alone.node_us,
        "store_us_per_commit_alone": alone.store_us,
        "node_us_per_commit_with_4_tabs": followed.node_us - rest[0],
        "node_us_per_delivery": (followed.node_us - rest[0] - alone.node_us) / TABS_EACH,
        "store_us_per_commit_followed": followed.store_us - rest[1],
        "store_bytes_per_session": store_empty / len(held),
        "store_bytes_per_channel_and_presence": (subscribed_after - subscribed_before) / len(held),
    }


async def store_costs(hub: Cluster, sids: Sequence[str]) -> dict[str, float]:
    """Microseconds of the store for what nodes ask it all the time, asked for as nodes do."""
    async with store_of(hub) as store:
        pid, times = pid_of(hub.store), max(1, ASKED // len(sids))
        parts = [sids[start : start + AT_ONCE] for start in range(0, len(sids), AT_ONCE)] * times
        before = cpu_seconds(pid)
        for part in parts:
            await store.positions(part)
        between = cpu_seconds(pid)
        for part in parts:
            await asyncio.gather(*(store.read(sid) for sid in part))
        count = len(sids) * times
        return {
            "store_us_per_position": (between - before) / count * 1e6,
            "store_us_per_read": (cpu_seconds(pid) - between) / count * 1e6,
        }


def tokens(held: Sequence[Held]) -> list[str]:
    """One a tab."""
    return [each.token for each in held for _ in range(TABS_EACH)]


async def store_bytes(hub: Cluster) -> int:
    """What the store has allocated."""
    async with Redis.from_url(hub.store_url) as store:
        return int((await store.info("memory"))["used_memory"])


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tabs", type=int, nargs="?", default=10_000)
    asked = parser.parse_args()
    with cluster() as hub:
        save("tabs", asyncio.run(measure(hub, hub.node(), asked.tabs)))


if __name__ == "__main__":
    main()
