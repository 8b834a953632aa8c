"""Who is let in: whether this node takes one more connection.

Told before a WebSocket is accepted, as 503 with ``Retry-After``, so that a load balancer or the client's own backoff
takes it elsewhere or to a better moment. Those who are in are never put out for those who come.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from hub.errors import Overloaded
from hub.live.fanout import Fanout
from hub.live.memory import Memory
from hub.live.outbox import Budget
from hub.live.turns import Turn

LONGEST_WAIT_SECONDS = 15.0  # less than the patience of any browser (20 s) or load balancer (60 s) with an upgrade
SHORT_OF_MEMORY_SECONDS = 10

log = logging.getLogger("hub.live")


class Opening:
    """One connection on its way in: a place is kept for it until it is counted, and it has a turn to open in."""

    __slots__ = ("_give_place", "turn")

    def __init__(self, give_place: Callable[[], None], turn: Turn) -> None:
        self._give_place: Callable[[], None] | None = give_place
        self.turn = turn

    def counted(self) -> None:
        """The place is its own now."""
        if self._give_place is not None:
            give_place, self._give_place = self._give_place, None
            give_place()

    def over(self) -> None:
        """It is in, or will not come in."""
        self.counted()
        self.turn.done()


class Admission:
    """The door of one node, for ``most`` connections (0: any number)."""

    def __init__(self, fanout: Fanout, memory: Memory, most: int) -> None:
        self.draining = False
        self._turns, self._registry = fanout.turns, fanout.registry
        self._memory, self._most = memory, most
        self.budget = Budget(memory.most_waiting_bytes())  # of all who are in, for what waits to be written
        self._coming = 0  # let in, and not yet counted
        self._is_shedding = False

    async def enter(self) -> Opening:
        """Wait for the turn to open in; ``over`` must follow. Raises ``Overloaded`` at once where it will not come."""
        self._check_draining()
        self._check_room()
        self._check_load()
        self._coming += 1
        opening = Opening(self._give_place, await self._wait())
        try:
            self._check_draining()
        except Overloaded:
            opening.over()
            raise
        return opening

    async def _wait(self) -> Turn:
        try:
            return await self._turns.take()
        except BaseException:
            self._give_place()
            raise

    def _give_place(self) -> None:
        self._coming -= 1

    def _check_draining(self) -> None:
        if self.draining:
            raise Overloaded("This node is stopping; another one takes over")

    def _check_room(self) -> None:
        if self._most and self._registry.count + self._coming >= self._most:
            raise Overloaded("This node holds as many connections as it may")

    def _check_load(self) -> None:
        wait_seconds = self._turns.wait_seconds
        is_crowded = wait_seconds > LONGEST_WAIT_SECONDS
        self._note("memory" if self._memory.is_short else "openings" if is_crowded else "")
        if self._memory.is_short:
            raise Overloaded("This node is short of memory", retry_after_seconds=SHORT_OF_MEMORY_SECONDS)
        if is_crowded:
            again = math.ceil(wait_seconds - LONGEST_WAIT_SECONDS) + 1
            raise Overloaded("Too many connections are opening here", retry_after_seconds=again)

    def _note(self, why: str) -> None:
        """One log record when shedding begins, one when it is over."""
        if bool(why) != self._is_shedding:
            self._is_shedding = bool(why)
            log.warning("shedding", extra={"why": why or "over"})
