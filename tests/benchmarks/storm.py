"""P8: 10,000 tabs lose their node at once. ``python -m tests.benchmarks.storm [TABS]``.

Two nodes, all tabs on the one that is killed; callers commit to the tabs' own sessions and read them through the other
one, 200 times a second, before and meanwhile. Tabs come back as the client does: a random moment of a window of 0.2 s,
which doubles up to 20 s for whoever is turned away.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.benchmarks.results import save
from tests.support.nodes import Cluster, cluster
from tests.support.pace import percentile
from tests.support.storm import Storm, sessions, storm

TABS_EACH = 4
PER_SECOND = 200.0
QUIET_SECONDS = 10.0
GIVE_UP_SECONDS = 60.0


async def measure(hub: Cluster, tabs: int) -> Storm:
    """One storm."""
    nodes = (await asyncio.to_thread(hub.node), await asyncio.to_thread(hub.node))
    held = await sessions(hub, tabs // TABS_EACH)
    return await storm(
        hub,
        nodes,
        held,
        tabs_each=TABS_EACH,
        processes=2,
        quiet_seconds=QUIET_SECONDS,
        per_second=PER_SECOND,
        latest_seconds=GIVE_UP_SECONDS,
    )


def figures(found: Storm) -> dict[str, float]:
    """Of one storm."""
    quiet, during = found.p99_ms(found.quiet), found.p99_ms(found.during)
    return {
        "tabs": found.tabs,
        "tabs_back": len(found.back),
        "copies_that_differ": len(found.wrong),
        "back_p50_seconds": percentile(found.back, 0.5),
        "back_p99_seconds": percentile(found.back, 0.99),
        "back_last_seconds": found.back[-1],
        "callers_refused": len(found.refusals),
        "commits_meanwhile": found.commits,
        "callers_p99_ms_quiet": quiet,
        "callers_p99_ms_meanwhile": during,
        "callers_p99_ratio": during / quiet,
        "upgrades_refused": found.counts.get("refused 503", 0),
        "node_cpu_seconds": found.node.cpu_seconds,
        "node_mib": found.node.resident_kib / 1024,
        "store_cpu_seconds": found.store.cpu_seconds,
        "store_mib": found.store.resident_kib / 1024,
        "tabs_cpu_seconds": found.crowd_cpu_seconds,
        "callers_cpu_seconds": found.caller_cpu_seconds,
    }


def main() -> int:
    """Measure, save and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tabs", type=int, nargs="?", default=10_000)
    asked = parser.parse_args()
    with cluster() as hub:
        found = asyncio.run(measure(hub, asked.tabs))
    save("storm", figures(found))
    for said in found.wrong[:5]:
        print(said)
    return 0 if len(found.back) == found.tabs and not found.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
