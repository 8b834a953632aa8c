"""Callers of a few nodes for as long as something is being done to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.load import Load, Track
from tests.support.nodes import Node
from tests.support.waiting import eventually

BACK_SECONDS = 20.0
FOR_EVER = float("inf")


@dataclass
class Busy:
    """Two nodes or more, and sessions under load until somebody has seen enough."""

    nodes: list[Node]
    load: Load

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

    async def until_ready(self) -> None:
        """Until all nodes answer again."""
        clients = [self.load.client_of(node) for node in self.nodes]

        async def are_ready() -> bool:
            return all([(await client.get("/readyz")).status_code == 200 for client in clients])

        await eventually(are_ready, BACK_SECONDS)
