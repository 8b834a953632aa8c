"""Where primaries are lost: two nodes on a store with replicas and sentinels, and callers of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from tests.faults.busy import Busy
from tests.faults.stage import CRIPPLED
from tests.support.load import Load
from tests.support.nodes import Cluster, Node, cluster
from tests.support.replicated import Replicated, Server, replicated

FEED_SECONDS = 6.0
QUIET_SECONDS = 8.0


@dataclass
class Promoted(Busy):
    """One run: its parts, and the sessions under load."""

    store: Replicated

    async def fall_behind(self) -> list[Server]:
        """The replicas have all there is until now, and get nothing more."""
        await self.store.until_replicated()
        return await self.store.fall_behind()

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
                    yield Promoted(nodes, load, store)


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
