"""Callers that commit as fast as they are answered, and what each commit costs the processes behind them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.measuring import cpu_seconds
from tests.support.nodes import SERVICE_KEY, Cluster, Node
from tests.support.stores import pid_of

CALLERS = 16


@dataclass(frozen=True)
class Spent:
    """By one commit, in microseconds of a core; and commits a second."""

    node_us: float
    store_us: float
    per_second: float


async def commits(cluster: Cluster, node: Node, sids: Sequence[str], count: int) -> Spent:
    """So many commits to sessions picked at random."""
    return await _commits(cluster, node, random.choices(sids, k=count))


async def commits_to_each(cluster: Cluster, node: Node, sids: Sequence[str]) -> Spent:
    """One commit to every session."""
    return await _commits(cluster, node, sids)


async def _commits(cluster: Cluster, node: Node, sids: Sequence[str]) -> Spent:
    pids, count = (node.process.pid, pid_of(cluster.store)), len(sids)
    numbers = iter(range(count))

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        for number in numbers:
            writer.write(_request(node.port, sids[number], number))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
        writer.close()

    before, began = [cpu_seconds(pid) for pid in pids], time.monotonic()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    seconds = time.monotonic() - began
    node_cpu, store_cpu = (cpu_seconds(pid) - was for pid, was in zip(pids, before, strict=True))
    return Spent(node_cpu / count * 1e6, store_cpu / count * 1e6, count / seconds)


def _request(port: int, sid: str, number: int) -> bytes:
    body = b'{"cart": {"at": %d, "on": %d}}' % (number, time.monotonic_ns())
    lines = (
        f"PATCH /v1/sessions/{sid}/document HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Authorization: Bearer {SERVICE_KEY}",
        "Content-Type: application/merge-patch+json",
        f"Content-Length: {len(body)}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
