"""Where faults happen: a store, two nodes (the second one behind a wire that can fail), and callers of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis

from tests.faults.lengths import IS_LONG, LOAD_SECONDS
from tests.support.load import Load, Track, new_key
from tests.support.nodes import Cluster, Node, cluster
from tests.support.store_proxy import StoreProxy
from tests.support.stores import kill, pid_of
from tests.support.waiting import eventually

QUIET_SECONDS = 6.0
FACT_SECONDS = 10.0
CRIPPLED = "tests.faults.crippled"
SMALL_BUFFER_BYTES = 8192
LONGEST_CONTROL_SECONDS = 3.0


@dataclass
class Stage:
    """One run: its parts, and how many faults there were."""

    cluster: Cluster
    nodes: list[Node]
    proxy: StoreProxy
    load: Load
    living: Track
    ending: Track
    injected: int = 0
    more: list[str] = field(default_factory=list)  # violations that a fault found by itself

    @property
    def store_pid(self) -> int:
        """The store's process."""
        return pid_of(self.cluster.store)

    def kill_store(self) -> None:
        """``kill -9``; the lock on its data is given back."""
        kill(self.cluster.store)
        self.injected += 1

    async def cut_feeds(self) -> None:
        """The store closes every feed connection, as it does with a reader that is too slow."""
        async with Redis.from_url(self.cluster.store_url) as store:
            self.injected += int(await store.client_kill_filter(_type="pubsub"))

    async def commit(self) -> None:
        """One more commit, through the node that has no faulty wire."""
        key = new_key(9)
        await self.load.commit(self.living, 0, self.load.ops(key), key)

    async def until_commits(self, count: int) -> None:
        """Until so many more commits were acknowledged, or the load is over."""
        acknowledged = self.living.recorded.acknowledged
        goal = len(acknowledged) + count
        await self.until(lambda: len(acknowledged) >= goal or self.seconds_left < 0)

    async def until(self, fact: Callable[[], bool]) -> None:
        """Until a fact of this process holds."""

        async def holds() -> bool:
            return fact()

        await eventually(holds, FACT_SECONDS + max(0.0, self.seconds_left))

    @property
    def seconds_left(self) -> float:
        """Of the load."""
        return self.load.until - time.monotonic()


Act = Callable[[Stage], Awaitable[None]]


async def nothing(_: Stage) -> None:
    """No fault."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong: ``during`` the load, and ``after`` its last commit. ``nodes``: cripples of the two in any case,
    ``control``: what they lack in the control, whose absence breaks ``breaks``."""

    name: str
    control: tuple[str, str]
    breaks: str
    during: Act = nothing
    after: Act = nothing
    nodes: tuple[str, str] = ("", "")
    control_during: Act | None = None
    close_seconds: float = 1.0
    quiet_seconds: float = QUIET_SECONDS
    control_quiet_seconds: float = 2.0
    pad_bytes: int = 0  # of each commit; tabs then have small buffers
    least_seconds: float = 0.0  # of load, where the fault itself takes that long


@asynccontextmanager
async def stage(fault: Fault, control: tuple[str, str], seconds: float) -> AsyncIterator[Stage]:
    """Set it up; the nodes lack ``control`` beside what the fault says."""
    with cluster() as made:
        async with StoreProxy(made.folder, made.store_url) as proxy:
            cripples = [",".join(names) for names in zip(fault.nodes, control, strict=True)]
            urls = (made.store_url, proxy.url)
            nodes = await asyncio.gather(*(_node(made, *each) for each in zip(urls, cripples, strict=True)))
            async with Load(made, nodes, seconds) as load:
                load.pad_bytes = fault.pad_bytes
                small = SMALL_BUFFER_BYTES if fault.pad_bytes else 0
                living = await load.track("ada", [nodes[0], nodes[1], nodes[1]], receive_bytes=small)
                ending = await load.track("grace", nodes, will_end=True)
                yield Stage(made, nodes, proxy, load, living, ending)
            for node in nodes:  # before the wire goes, so that they leave in peace
                if node.process.poll() is None:
                    node.kill()


async def _node(made: Cluster, store_url: str, cripples: str) -> Node:
    more = {"HUB_STORE_URL": store_url, "CRIPPLES": cripples}
    return await asyncio.to_thread(lambda: made.node(CRIPPLED, port=None, **more))


async def perform(fault: Fault, *, is_control: bool) -> tuple[Stage, list[str]]:
    """Run it; what does not hold. A control is short: one violation is enough."""
    seconds = max(LONGEST_CONTROL_SECONDS if is_control and IS_LONG else LOAD_SECONDS, fault.least_seconds)
    async with stage(fault, fault.control if is_control else ("", ""), seconds) as set_up:
        load, living, ending = set_up.load, set_up.living, set_up.ending
        load.until = time.monotonic() + seconds
        during = fault.control_during if is_control and fault.control_during else fault.during
        await asyncio.gather(
            during(set_up),
            *(load.write_blind(living, number) for number in range(4)),
            *(load.write_matching(living, number) for number in range(4, 6)),
            load.write_from_tab(living, 1),
            *(load.read(living, number) for number in range(2)),
            load.write_blind(ending, 0),
            load.write_blind(ending, 1),
            load.read(ending, 0),
            load.end_later(ending, 0.7, fault.close_seconds),
        )
        await fault.after(set_up)
        found = await load.settle(fault.control_quiet_seconds if is_control else fault.quiet_seconds)
        return set_up, found + set_up.more
