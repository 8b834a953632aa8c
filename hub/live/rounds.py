"""What a node does now and then for all its connections at once: one sweep instead of a timer each.

Signs of life, tabs that do not read, positions that a lost message left behind, nodes that died.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from hub.core.ports import Feed
from hub.errors import Unavailable
from hub.live.fanout import Fanout
from hub.live.memory import Memory
from hub.live.registry import Follow
from hub.protocol.close_codes import CloseCode
from hub.protocol.conversation import Phase

SWEEP_SECONDS = 1.0
HEARTBEAT_SECONDS = 25.0
STUCK_SECONDS = 20.0
CHECK_POSITIONS_SECONDS = 10.0
CHECK_PRESENCE_SECONDS = 10.0
SWEEP_HEAP_SECONDS = 30.0
LOOKED_AT_AT_ONCE = 1000  # connections; then others get in between
HEARTBEATS_AT_ONCE = 50
POSITIONS_AT_ONCE = 100
BREATH_SECONDS = 0.005


class Rounds:
    """The sweeps of one node."""

    def __init__(self, fanout: Fanout, feed: Feed) -> None:
        self._fanout, self._feed = fanout, feed
        self.memory = Memory()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [
            asyncio.create_task(self._every(SWEEP_SECONDS, self.look_at_connections)),
            asyncio.create_task(self._every(CHECK_POSITIONS_SECONDS, self.check_positions)),
            asyncio.create_task(self._every(CHECK_PRESENCE_SECONDS, self.check_presence)),
            asyncio.create_task(self._every(SWEEP_HEAP_SECONDS, self.sweep_heap)),
        ]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _every(self, seconds: float, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            with contextlib.suppress(Unavailable):
                await look()

    async def look_at_connections(self) -> None:
        """Heartbeats for the quiet, an end for those that do not read."""
        self.memory.look()
        now, effort = asyncio.get_running_loop().time(), 0.0
        for connection in self._fanout.registry.connections():
            effort += 1 / LOOKED_AT_AT_ONCE
            if connection.seconds_stuck(now) > STUCK_SECONDS:
                connection.act(connection.conversation.on_closing(CloseCode.SLOW))
            elif now - connection.last_written >= HEARTBEAT_SECONDS:
                connection.act(connection.conversation.on_heartbeat())
                effort += 1 / HEARTBEATS_AT_ONCE
            if effort >= 1:
                await asyncio.sleep(BREATH_SECONDS)
                effort = 0.0

    async def check_positions(self) -> None:
        """Compare with the store; who is behind twice missed a message that made no noise."""
        follows = self._fanout.registry.follows()
        for start in range(0, len(follows), POSITIONS_AT_ONCE):
            if start:
                await asyncio.sleep(BREATH_SECONDS)
            await self._check_positions(follows[start : start + POSITIONS_AT_ONCE])

    async def _check_positions(self, follows: Sequence[Follow]) -> None:
        positions = await self._feed.positions([follow.session.sid for follow in follows])
        for follow in follows:
            if follow.session.sid not in positions:
                continue
            position = positions[follow.session.sid]
            behind = position is None or any(
                connection.conversation.phase is Phase.LIVE and connection.conversation.position != position
                for connection in follow.connections.values()
            )
            if behind and follow.suspect:
                self._mend(follow, is_over=position is None)
            follow.suspect = behind

    def _mend(self, follow: Follow, *, is_over: bool) -> None:
        if is_over:
            self._fanout.registry.check(follow)
        else:
            self._fanout.reload(follow, "missed")

    async def check_presence(self) -> None:
        """A node that died says nothing: look again who is connected."""
        for follow in self._fanout.registry.follows():
            if follow.wants_presence:
                await self._fanout.tell_presence(follow)

    async def sweep_heap(self) -> None:
        """Garbage that refers to itself."""
        self._fanout.registry.heap.sweep()
