"""One shard of the store: a primary with its copies, and everything this node has for it alone.

Its connections and calls, its mode, its clock, what is heard from it. A store that is no cluster is one shard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hub.core.mode import Mode
from hub.errors import ConfigurationError, HubError, Maintenance
from hub.store import keys
from hub.store.calls import Calls
from hub.store.cancelling import cancel
from hub.store.clock import StoreClock
from hub.store.connecting import Connect, check
from hub.store.durability import Durability
from hub.store.ends import Ends
from hub.store.fitness import refuse_unfit
from hub.store.health import Health
from hub.store.line import Line, Listener
from hub.store.replicas import Replicas
from hub.store.returning import get_ready
from hub.store.slots import SLOTS, Ranges, is_within, slot_of, tag_within

HEARD_SECONDS = 3.0


class Shard:
    """``slots`` are those it serves (``None``: there are no others). ``holds`` says whose sessions it has."""

    def __init__(self, connect: Connect, durability: Durability, slots: Ranges | None = None) -> None:
        self.connect, self.slots = connect, slots
        self.holds: Callable[[str], bool] = lambda _: True
        self.clock = StoreClock()
        self.health = Health(connect, self.probe)
        self.calls = Calls(connect, self.health.failed, self.clock.heard, durability)
        self.calls.probe = self.probe
        self.replicas = Replicas(connect, self.calls, self.health.failed)
        self.line = Line(connect, self.calls, self.tag)
        self.health.is_trusted = self.replicas.is_trusted
        self.health.listeners.append(self._on_mode)
        if connect.guide is not None:
            connect.guide.on_moved = lambda: self.health.failed("maintenance")
        self._tag = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._dropping: asyncio.Future[Any] | None = None

    @property
    def mode(self) -> Mode:
        """What can be done with its sessions."""
        return self.health.mode

    @property
    def is_serving(self) -> bool:
        """Whether it answers, and what is published is heard."""
        return self.mode == "live" and self.line.is_delivering

    def tag(self) -> str:
        """A tag nobody else uses, in one of its slots."""
        if not self._tag or (self.slots and not is_within(slot_of(self._tag), self.slots)):
            self._tag = tag_within(self.slots or [range(SLOTS)])
        return self._tag

    def probe(self) -> str:
        """What may be written to find out whether it can be written."""
        return keys.probe(None if self.slots is None else self.tag())

    # life

    async def get_known(self) -> None:
        """Whether it is one to rely on, its clock and its copies. Raises ``ConfigurationError``, or ``Maintenance``
        where it does not answer."""
        if not await check(self.connect):
            self.health.failed("maintenance")
            raise Maintenance
        await refuse_unfit(self.connect, in_cluster=self.slots is not None)
        time = await self.calls.call("TIME")
        self.clock.heard(int(time[0]) * 1000 + int(time[1]) // 1000)
        await self.replicas.check_durability()

    def start(self, listener: Listener, ends: Ends) -> None:
        """Hear it, watch it, and find it again."""
        self._tasks = [
            asyncio.create_task(self.line.run(listener)),
            asyncio.create_task(self.health.run(lambda: get_ready(self, ends))),
            asyncio.create_task(self.replicas.run(self.health.is_live)),
        ]

    async def wait_until_heard(self, *, is_alone: bool) -> None:
        """Raises ``Maintenance`` for one of several that is not heard soon."""
        if not is_alone and self.mode == "maintenance":
            raise Maintenance
        try:
            async with asyncio.timeout(None if is_alone else HEARD_SECONDS):
                await self.line.wait_until_up()
        except TimeoutError:
            raise Maintenance from None

    async def stop(self) -> None:
        """Leave in order. ``finish`` afterwards."""
        await cancel(self._tasks)

    async def finish(self) -> None:
        """No connection is left, and nobody waits for it any more."""
        await self.calls.close()
        self.health.is_live.set()

    def _on_mode(self, mode: Mode) -> None:
        self.calls.refuse(self.health.refusal)
        if self.connect.guide is not None:
            self._dropping = self.calls.drop()  # on the way back too: what was still under way may have gone elsewhere
            if mode == "maintenance":
                self.line.drop()


async def each(shards: list[Shard], ask: Callable[[Shard], Awaitable[None]]) -> None:
    """The same of all at once. Raises ``HubError`` where none could do it; one that could not is in maintenance."""
    found = await asyncio.gather(*map(ask, shards), return_exceptions=True)
    for error in found:
        if isinstance(error, ConfigurationError) or not isinstance(error, HubError | None):
            raise error
    if all(isinstance(error, HubError) for error in found):
        raise next(error for error in found if isinstance(error, HubError))
