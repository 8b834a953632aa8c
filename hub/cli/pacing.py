"""A few pieces of work in each turn of the event loop, the rest in the next ones, in their order.

When thousands of connections send their first request in the same moment, reading them all would be one long turn, and
whoever has been connected for long would wait for its end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Pace:
    """So many pieces a turn."""

    def __init__(self, at_once: int) -> None:
        self._at_once = self._left = at_once
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_ticking = False

    def may_begin(self) -> bool:
        """Whether there is room for one more in this turn of the loop; it counts then."""
        if self._left == 0 or self._waiting:
            return False
        self._left -= 1
        self._tick_later()
        return True

    def later(self, work: Callable[[], None]) -> None:
        """Do this when it is its turn."""
        self._waiting.append(work)
        self._tick_later()

    def _tick_later(self) -> None:
        if not self._is_ticking:
            self._is_ticking = True
            asyncio.get_running_loop().call_soon(self._tick)

    def _tick(self) -> None:
        self._is_ticking = False
        self._left = self._at_once
        while self._waiting and self._left:
            self._left -= 1
            self._waiting.popleft()()
        if self._waiting:
            self._tick_later()
