"""P10 and P11: what the gateway adds to a request of an app, and how many requests a node judges for other proxies."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvloop
from rich.console import Console
from rich.table import Table

from tests.benchmarks import raw
from tests.support.nodes import ROOT, Cluster, Node, clean_environment, cluster, sha256
from tests.support.ports import free_port
from tests.support.tabs import log_in
from tests.support.waiting import eventually

ROUNDS = 5
SECONDS = 3.0
CONNECTIONS = 32
SESSIONS = 50
KEY = "a-verify-key-of-the-benchmark"


@dataclass(frozen=True)
class Measured:
    """Figures of each round."""

    added_ms: Sequence[float]  # P10: p50 through the gateway less p50 of the upstream itself
    verified: Sequence[float]  # P11: checks a second, closed loop
    half_load_p99_ms: Sequence[float]


@contextmanager
def upstream(port: int) -> Iterator[None]:
    """The cheap app, as a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.upstream", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=clean_environment())
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


async def measure(hub: Cluster, node: Node, app_port: int, tick: Callable[[str], None]) -> Measured:
    """All rounds, alternating direct and proxied."""
    opened = [await log_in(hub, node, f"user-{number}") for number in range(SESSIONS)]
    cookie = f"hub={opened[0].token}"

    async def is_up() -> bool:
        try:
            return not (await raw.run(app_port, raw.get("/x", app_port), connections=1, seconds=0)).failed
        except OSError:
            return False

    await eventually(is_up, 15)
    added, rates, tails = [], [], []
    for number in range(ROUNDS):
        tick(f"proxied requests, round {number + 1} of {ROUNDS}")
        direct = await raw.run(app_port, raw.get("/apps/a/x", app_port), connections=1, seconds=SECONDS / 2)
        asked = raw.get("/apps/a/x", node.port, Cookie=cookie)
        proxied = await raw.run(node.port, asked, connections=1, seconds=SECONDS / 2)
        assert not direct.failed + proxied.failed
        added.append(proxied.milliseconds(0.5) - direct.milliseconds(0.5))
        tick(f"forward-auth, round {number + 1} of {ROUNDS}")
        check = raw.get("/auth/verify?app=a", node.port, Cookie=cookie, X_Hub_Verify_Key=KEY, Sec_Fetch_Mode="cors")
        full = await raw.run(node.port, check, connections=CONNECTIONS, seconds=SECONDS)
        assert not full.failed
        rate = len(full.took) / full.seconds
        pause = max(0.0, 2 * CONNECTIONS / rate - statistics.fmean(full.took) / CONNECTIONS)
        half = await raw.run(node.port, check, connections=CONNECTIONS, seconds=SECONDS, pause=pause)
        rates.append(rate)
        tails.append(half.milliseconds(0.99))
    return Measured(added, rates, tails)


def main() -> None:
    """Measure and print."""
    console = Console()
    app_port = free_port()
    with upstream(app_port), cluster() as hub:
        node = hub.node(
            HUB_APPS__A__UPSTREAM=f"http://127.0.0.1:{app_port}",
            HUB_APPS__A__VERIFY_KEY_SHA256=sha256(KEY),
            HUB_LIMITS__LOGINS_PER_MINUTE="0",
        )
        with console.status("starting") as status:
            found = uvloop.run(measure(hub, node, app_port, status.update))
    table = Table("what", "budget", "median", "min to max", "unit")
    for name, budget, values, unit in (
        ("P10 proxied request, added p50", "≤ 1", found.added_ms, "ms"),
        (f"P11 forward-auth, {CONNECTIONS} connections", "≥ 8,000", found.verified, "1/s"),
        ("P11 p99 at half load", "≤ 10", found.half_load_p99_ms, "ms"),
    ):
        spread = f"{min(values):,.2f} to {max(values):,.2f}"
        table.add_row(name, budget, f"{statistics.median(values):,.2f}", spread, unit)
    console.print(table)


if __name__ == "__main__":
    main()
