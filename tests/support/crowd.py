"""Thousands of tabs in a process of their own: ``python -m tests.support.crowd``, told what to do by ``Crowd``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.crowd_tab import Crowded, Tab
from tests.support.puppets import Handlers, Puppet, serve
from tests.support.waiting import eventually

NICENESS = 10  # a crowd of browsers does not take the processor from a node; this one must not either
AT_ONCE = 100
OPEN_SECONDS = 120.0


class Process:
    """The tabs."""

    def __init__(self) -> None:
        self.crowd, self.tabs = Crowded(), list[Tab]()

    def handlers(self) -> Handlers:
        """What may be asked."""
        return {"open": self.open, "move": self.move, "live": self.live, "report": self.report, "copies": self.copies}

    async def open(self, tokens: Sequence[str], ports: Sequence[int]) -> int:
        """One tab for each token; so many are opening at once. How many are live."""
        self.crowd.ports = list(ports)
        loop = asyncio.get_running_loop()
        tabs = [Tab(self.crowd, token) for token in tokens]
        room = asyncio.Semaphore(AT_ONCE)
        self.crowd.on_live = room.release
        for tab in tabs:
            await room.acquire()
            loop.create_task(tab.come())  # noqa: RUF006 - it lives as long as its connection
        self.tabs += tabs
        await eventually(self._all_live, OPEN_SECONDS)
        self.crowd.on_live = lambda: None
        return self.crowd.live

    async def _all_live(self) -> bool:
        return self.crowd.live == len(self.tabs)

    async def move(self, ports: Sequence[int]) -> None:
        """Come back to these from now on."""
        self.crowd.ports = list(ports)

    async def live(self) -> int:
        """How many are live."""
        return self.crowd.live

    async def report(self) -> dict[str, Any]:
        """What happened, and since when each tab is live (by the monotonic clock)."""
        return {
            "counts": self.crowd.counts,
            "complaints": self.crowd.complaints,
            "live_at": [tab.live_at for tab in self.tabs],
            "cpu_seconds": time.process_time(),
        }

    async def copies(self) -> list[tuple[str, str]]:
        """Each tab's position and the digest of its document."""
        return [tab.copy() for tab in self.tabs]


@dataclass(frozen=True)
class Report:
    """Of one or several crowds. ``live_at``: since when each tab is live, by ``time.monotonic``."""

    counts: dict[str, int]
    complaints: list[str]
    live_at: list[float | None]
    cpu_seconds: float


class Crowd(Puppet):
    """Some thousand tabs, in another process."""

    def __init__(self) -> None:
        super().__init__("tests.support.crowd")

    async def open(self, tokens: Sequence[str], ports: Sequence[int]) -> None:
        """One tab for each token, on the first of these nodes that listens; returns when all are live."""
        assert await self.ask("open", tokens=list(tokens), ports=list(ports)) >= len(tokens)

    async def move(self, *ports: int) -> None:
        """Where to come back to."""
        await self.ask("move", ports=ports)

    async def live(self) -> int:
        """How many are live now."""
        return int(await self.ask("live"))

    async def report(self) -> Report:
        """What happened so far."""
        return Report(**await self.ask("report"))

    async def copies(self) -> list[tuple[str, str]]:
        """Position and digest of each tab, in the order of the tokens."""
        return [(position, digest) for position, digest in await self.ask("copies")]


if __name__ == "__main__":
    serve(lambda: Process().handlers(), NICENESS)
