"""Turns: only so many connections open or reload at the same time, first come, first served.

Opening a connection or reading a whole document again is the one work here that comes by the thousand at once: when a
node died and its tabs come over, when the store is back and every tab reads again. Done all at once it would starve
what is small and urgent. So it is done a few at a time, and requests, commits and fan-out, which never wait here, get
in between. Whoever would have to wait too long is to be told so and not to be let in (``admission``).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

AT_ONCE = 12
FIRST_GUESS_SECONDS = 0.001  # between two turns, before any was measured
MEASURED_SECONDS = 0.5  # in one go
MEASUREMENTS = 4  # the best of them counts: a node is slow when it has been so for a while


class Turn:
    """The right to read now. To be given back by ``done``, which may be called again."""

    __slots__ = ("_turns",)

    def __init__(self, turns: Turns) -> None:
        self._turns: Turns | None = turns

    def done(self) -> None:
        """The next one may read."""
        if self._turns is not None:
            turns, self._turns = self._turns, None
            turns.give()

    async def __aenter__(self) -> Turn:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.done()


class Turns:
    """All of one node."""

    def __init__(self, at_once: int = AT_ONCE, now: Callable[[], float] = time.monotonic) -> None:
        self._free, self._now = at_once, now
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._measured = deque([FIRST_GUESS_SECONDS], MEASUREMENTS)  # seconds between two turns, lately
        self._passed, self._since = 0, 0.0  # turns passed on to somebody who had waited, and since when

    async def take(self) -> Turn:
        """Wait for a turn."""
        if self._free:
            self._free -= 1
            return Turn(self)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._passed, self._since = 0, self._now()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.give()  # it was given to one who had just gone
            raise
        return Turn(self)

    def give(self) -> None:
        """A turn is free: for the one who waits longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._measure()
                return
        self._free += 1

    def _measure(self) -> None:
        self._passed += 1
        if (seconds := self._now() - self._since) >= MEASURED_SECONDS:
            self._measured.append(seconds / self._passed)
            self._passed, self._since = 0, self._now()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def wait_seconds(self) -> float:
        """How long one who came now would wait, as it has been going lately."""
        return len(self._waiting) * min(self._measured)
