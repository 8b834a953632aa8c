"""Where primaries are lost: two nodes on a store with replicas and sentinels, and callers of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.faults.stage import CRIPPLED
from tests.support.load import Load, Track
from tests.support.nodes import Cluster, Node, cluster
from tests.support.replicated import Replicated, Server, replicated
from tests.support.waiting import eventually

FEED_SECONDS = 6.0
QUIET_SECONDS = 8.0
BACK_SECONDS = 20.0
FOR_EVER = float("inf")


@dataclass
class Promoted:
    """One run: its parts, and the sessions under load."""

    store: Replicated
    nodes: list[Node]
    load: Load
    callers: list[asyncio.Task[None]] = field(default_factory=list)

    async def living(self) -> Track:
        """A session that everybody writes to."""
        return await self.load.track("ada", [self.nodes[0], self.nodes[1], self.nodes[1]])

    async def ending(self) -> Track:
        """One that is ended on the way."""
        return await self.load.track("grace", self.nodes, will_end=True)

    @asynccontextmanager
    async def busy(self, *tracks: Track) -> AsyncIterator[None]:
        """Under load, from when it is seen to work until the block is left."""
        self.load.until = FOR_EVER
        callers = asyncio.gather(*(caller for track in tracks for caller in self._callers(track)))
        try:
            await self.until_more(20)
            yield
        finally:
            self.load.until = 0.0
            await callers

    def _callers(self, track: Track) -> Iterator[Any]:
        load = self.load
        yield from (load.write_blind(track, number) for number in range(2 if track.will_end else 4))
        yield from (load.read(track, number) for number in range(2))
        if not track.will_end:
            yield from (load.write_matching(track, number) for number in range(4, 6))
            yield load.write_from_tab(track, 1)

    async def until_more(self, count: int) -> None:
        """Until so many more commits were acknowledged."""
        acknowledged = self.load.tracks[0].recorded.acknowledged
        goal = len(acknowledged) + count

        async def are_there() -> bool:
            return len(acknowledged) >= goal

        await eventually(are_there, BACK_SECONDS)

    async def fall_behind(self) -> list[Server]:
        """The replicas have all there is until now, and get nothing more."""
        await self.store.until_replicated()
        return await self.store.fall_behind()

    async def until_ready(self) -> None:
        """Until all nodes answer again."""
        clients = [self.load.client_of(node) for node in self.nodes]

        async def are_ready() -> bool:
            return all([(await client.get("/readyz")).status_code == 200 for client in clients])

        await eventually(are_ready, BACK_SECONDS)

    async def settle(self, seconds: float = QUIET_SECONDS) -> list[str]:
        """What does not hold in the end. Tabs and readers may have seen what nobody was promised, and what is gone."""
        for track in self.load.tracks:
            track.recorded.may_forget = True
        return await self.load.settle(seconds)


@asynccontextmanager
async def stage(durability: str, *, replicas: int = 2, lacks: tuple[str, str] = ("", "")) -> AsyncIterator[Promoted]:
    """Set it up. ``lacks``: cripples of the two nodes."""
    with cluster() as made:
        async with replicated(made.folder, replicas, is_known=False) as store:
            made.store_url = store.url
            starting = [asyncio.ensure_future(_node(made, durability, names)) for names in lacks]
            await asyncio.to_thread(store.until_known)
            nodes = await asyncio.gather(*starting)
            with killed(nodes):
                async with Load(made, nodes, 0.0) as load:
                    yield Promoted(store, nodes, load)


async def _node(made: Cluster, durability: str, cripples: str) -> Node:
    return await asyncio.to_thread(lambda: made.node(CRIPPLED, port=None, HUB_DURABILITY=durability, CRIPPLES=cripples))


@contextmanager
def killed(nodes: list[Node]) -> Iterator[None]:
    """In the end, before the store goes, so that they leave in peace."""
    try:
        yield
    finally:
        for node in nodes:
            node.kill()
