"""P8: tabs lose their node at once. ``python -m tests.benchmarks.storm [TABS]``."""

from __future__ import annotations

import argparse
import asyncio
import os

from rich.console import Console

from tests.support.nodes import cluster
from tests.support.pace import percentile
from tests.support.storm import Storm, sessions, storm

TABS_EACH = 4
PER_SECOND = 200.0


def figures(found: Storm) -> dict[str, object]:
    back = found.back
    return {
        "tabs": found.tabs,
        "back": len(back),
        "back_p50_s": percentile(back, 0.5),
        "back_p99_s": percentile(back, 0.99),
        "back_last_s": back[-1],
        "wrong": found.wrong[:3],
        "n_wrong": len(found.wrong),
        "refused callers": len(found.refusals),
        "commits during": found.commits,
        "quiet_p50_ms": percentile([each.seconds for each in found.quiet], 0.5) * 1000,
        "quiet_p99_ms": found.p99_ms(found.quiet),
        "during_p50_ms": percentile([each.seconds for each in found.during], 0.5) * 1000,
        "during_p99_ms": found.p99_ms(found.during),
        "during_max_ms": max(each.seconds for each in found.during) * 1000,
        "node": found.node,
        "store": found.store,
        "crowd_cpu": found.crowd_cpu_seconds,
        "caller_cpu": found.caller_cpu_seconds,
        "counts": found.counts,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tabs", type=int, nargs="?", default=10_000)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    with cluster() as made:
        nodes = (made.node(), made.node())

        def tick(what: str) -> None:
            print(what, flush=True)
            if what == "the storm" and asked.profile:
                os.spawnvp(
                    os.P_NOWAIT,
                    "/tmp/pv/bin/py-spy",
                    [
                        "py-spy",
                        "record",
                        "-p",
                        str(nodes[1].process.pid),
                        "-d",
                        "8",
                        "-r",
                        "500",
                        "-f",
                        "raw",
                        "-o",
                        "/tmp/storm.prof",
                    ],
                )

        async def run() -> Storm:
            held = await sessions(made, asked.tabs // TABS_EACH)
            return await storm(
                made,
                nodes,
                held,
                tabs_each=TABS_EACH,
                processes=2,
                quiet_seconds=8,
                per_second=PER_SECOND,
                latest_seconds=60,
                tick=tick,
            )

        found = asyncio.run(run())
        Console().print(figures(found))
        print(made.log(nodes[1])[-2000:])


if __name__ == "__main__":
    main()
