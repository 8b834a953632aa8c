"""Measures one node on this machine: commits a second, CPU per commit, commit → tab, memory of an idle tab.

Figures of the hub alone: no peer runs beside it yet, so no ratio is claimed. Load generator, node and store share the
machine; CPU is the node's own, from ``/proc/<pid>/stat``. Bounded in time and count, loopback only.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.nodes import Cluster, Node, cluster
from tests.support.tabs import MERGE, Opened, as_service, bearer, log_in

SESSIONS = 50
TABS_EACH = 4
CALLERS = 16
ROUNDS = 5
COMMITS_A_ROUND = 1500
IDLE_TABS = 500
LATENCY_COMMITS = 300
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    """One line of the table: the median over the rounds, and their spread."""

    name: str
    unit: str
    values: Sequence[float]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_kib(pid: int) -> int:
    """Resident memory of a process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


async def tab(node: Node, opened: Opened) -> ClientConnection:
    """A live connection whose snapshot has come."""
    socket = await connect(
        f"{node.ws_url}/v1/sessions/me/live",
        subprotocols=[Subprotocol("hub.v1")],
        additional_headers=bearer(opened.token),
        compression=None,
        ping_interval=None,
        proxy=None,
    )
    while json.loads(await socket.recv())["type"] != "live":
        continue
    return socket


async def swallow(socket: ClientConnection) -> None:
    """Read and forget."""
    async for _ in socket:
        continue


async def throughput(node: Node, client: httpx.AsyncClient, sids: Sequence[str]) -> tuple[float, float]:
    """One round of a closed loop: commits a second, and microseconds of node CPU per commit."""
    numbers = iter(range(COMMITS_A_ROUND))

    async def caller() -> None:
        for number in numbers:
            answer = await client.patch(
                f"/v1/sessions/{sids[number % len(sids)]}/document",
                content=b'{"cart": {"count": %d}}' % time.monotonic_ns(),
                headers={"Content-Type": MERGE},
            )
            assert answer.status_code == 200, answer.text

    cpu, started = cpu_seconds(node.process.pid), time.monotonic()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    seconds = time.monotonic() - started
    return COMMITS_A_ROUND / seconds, (cpu_seconds(node.process.pid) - cpu) / COMMITS_A_ROUND * 1e6


async def latency(node: Node, client: httpx.AsyncClient, opened: Opened) -> list[float]:
    """Milliseconds from sending a commit until the last of four tabs has it, one commit at a time."""
    tabs = [await tab(node, opened) for _ in range(TABS_EACH)]
    took: list[float] = []
    for number in range(LATENCY_COMMITS):
        started = time.monotonic()
        sending = asyncio.create_task(
            client.patch(
                f"/v1/sessions/{opened.sid}/document",
                content=b'{"cart": {"count": %d}}' % number,
                headers={"Content-Type": MERGE},
            )
        )
        await asyncio.gather(*(heard_change(socket) for socket in tabs))
        took.append((time.monotonic() - started) * 1000)
        await sending
    for socket in tabs:
        await socket.close()
    return took


async def heard_change(socket: ClientConnection) -> None:
    """Until the next change."""
    while json.loads(await socket.recv())["type"] != "change":
        continue


async def memory(cluster: Cluster, node: Node) -> float:
    """KiB of resident memory for each idle tab more."""
    before = resident_kib(node.process.pid)
    tabs = [await tab(node, await log_in(cluster, node, f"idle-{number}")) for number in range(IDLE_TABS)]
    grown = (resident_kib(node.process.pid) - before) / IDLE_TABS
    for socket in tabs:
        await socket.close()
    return grown


async def measure(cluster: Cluster, tick: Callable[[str], None]) -> list[Figure]:
    """All figures, ``tick`` before each step."""
    node = cluster.node(HUB_LIMITS__LOGINS_PER_MINUTE="0")
    async with as_service(node) as client:
        tick("opening sessions and tabs")
        sessions = [await log_in(cluster, node, f"user-{number}") for number in range(SESSIONS)]
        tabs = [await tab(node, opened) for opened in sessions for _ in range(TABS_EACH)]
        reading = [asyncio.create_task(swallow(socket)) for socket in tabs]
        rounds: list[tuple[float, float]] = []
        for number in range(ROUNDS):
            tick(f"commits, round {number + 1} of {ROUNDS}")
            rounds.append(await throughput(node, client, [opened.sid for opened in sessions]))
        await close_all(tabs, reading)
        tick("commit → last of 4 tabs")
        took = sorted(await latency(node, client, sessions[0]))
    tick(f"memory of {IDLE_TABS} idle tabs")
    fresh = cluster.node(HUB_LIMITS__LOGINS_PER_MINUTE="0")
    return [
        Figure(f"commits/s, {CALLERS} callers, {TABS_EACH} tabs following each", "1/s", [each[0] for each in rounds]),
        Figure("node CPU per such commit", "µs", [each[1] for each in rounds]),
        Figure("commit → last of 4 tabs, p50", "ms", [took[len(took) // 2]]),
        Figure("commit → last of 4 tabs, p99", "ms", [took[len(took) * 99 // 100]]),
        Figure("memory per idle tab (session of its own)", "KiB", [await memory(cluster, fresh)]),
    ]


async def close_all(tabs: Sequence[ClientConnection], reading: Sequence[Awaitable[None]]) -> None:
    """Close connections and wait for their readers."""
    await asyncio.gather(*(socket.close() for socket in tabs))
    await asyncio.gather(*reading)


def main() -> None:
    """Measure, and print the table."""
    console = Console()
    with cluster() as made, Progress(console=console, transient=True) as progress:
        task = progress.add_task("starting", total=ROUNDS + 3)

        def tick(what: str) -> None:
            progress.update(task, advance=1, description=what)

        figures = asyncio.run(measure(made, tick))
    table = Table(title=f"One node on {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}", title_justify="left")
    for column in ("what", "median", "min to max", "unit"):
        table.add_column(column, justify="left" if column in ("what", "unit") else "right")
    for figure in figures:
        spread = f"{min(figure.values):,.1f} to {max(figure.values):,.1f}" if len(figure.values) > 1 else ""
        table.add_row(figure.name, f"{statistics.median(figure.values):,.1f}", spread, figure.unit)
    console.print(table)


if __name__ == "__main__":
    main()
