"""Calls to one shard of the store, by how sure their caller must be: as they are, as durable as configured, or on every
copy.

Each kind has lanes of its own, so that reading never waits behind a replica that is slow to confirm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from hub.core.mode import Mode
from hub.errors import HubError, Maintenance, ReadOnly
from hub.store import keys
from hub.store.confirming import Confirming
from hub.store.connecting import Connect
from hub.store.denied import Denials, is_denial
from hub.store.durability import CONFIRM_MS, Durability
from hub.store.lanes import Answered, Command, Lanes, OutcomeUnknown, Reply, TakenOver, Waiting, refuse
from hub.telemetry import metrics

__all__ = ["Answered", "Calls", "Kind", "OutcomeUnknown", "Reply"]

Kind: TypeAlias = Literal["plain", "durable", "to_all", "to_any"]
TakeOver: TypeAlias = Callable[[Kind, Waiting, ResponseError], bool]

LANES = 4  # connections; more batches wait and grow meanwhile
LANES_TO_ALL = 2
WATCH_MS = 900
ELSEWHERE = (AskError, TryAgainError)  # MOVED is a kind of ASK to redis-py
DOWN = (ClusterDownError, MasterDownError)
DOWN_REPLIES = ("BUSY ",)  # somebody's script runs and runs
READ_ONLY_REPLIES = ("MISCONF", "NOREPLICAS", "OOM")


class Calls:
    """Batches calls onto a few connections. ``on_failure`` hears which mode an answer speaks for, ``on_time`` the
    store's clock (ms). ``replicas`` is how many copies there are; who watches them keeps it true. ``take_over`` is
    asked about each call that was refused, whether it is seen to."""

    def __init__(
        self,
        connect: Connect,
        on_failure: Callable[[Mode], None],
        on_time: Callable[[int], None] = lambda _: None,
        durability: Durability | None = None,
    ) -> None:
        self._follows = connect.guide is not None
        self._on_failure = on_failure
        self._refuse: HubError | None = None
        self.take_over: TakeOver = lambda *_: False
        self.probe: Callable[[], str] = lambda: keys.PROBE  # what may be written to find out whether it is confirmed
        self.durability = durability or Durability()
        self.replicas = 0
        self._confirming = Confirming(self._is_confirmed_again)
        self._denials = Denials()

        def lanes(kind: Kind, most: int, wait: Callable[[], Command] | None = None) -> Lanes:
            def translate(waiting: Waiting, error: ResponseError) -> Exception:
                return TakenOver() if self.take_over(kind, waiting, error) else self._translate(error)

            return Lanes(connect, most, failed=self._failed, translate=translate, on_time=on_time, wait=wait)

        self._plain = lanes("plain", LANES)
        self._durable = self._plain if self.durability.is_local else lanes("durable", LANES, self.durability.wait)
        self._to_all = lanes("to_all", LANES_TO_ALL, lambda: ("WAIT", self.replicas, CONFIRM_MS))
        self._to_any = lanes("to_any", 1, lambda: ("WAIT", 1, WATCH_MS))

    def refuse(self, error: HubError | None) -> None:
        """While the store is known to be away, fail at once with ``error`` instead of trying."""
        self._refuse = error

    @property
    def is_refusing(self) -> bool:
        """Whether calls fail at once."""
        return self._refuse is not None

    def put(self, kind: Kind, waiting: Waiting) -> None:
        """Send a call that was refused elsewhere."""
        lanes = {"plain": self._plain, "durable": self._durable, "to_all": self._to_all, "to_any": self._to_any}
        lanes[kind].put(waiting)

    def call(self, *command: Any) -> Awaitable[Reply]:
        """Send one command; the awaitable gives its answer or raises a ``HubError`` or ``ResponseError``."""
        return self._put(self._plain, command)

    def call_on_time(self, *command: Any) -> Awaitable[Reply]:
        """The same; ``on_time`` has heard the store's clock, as it is at this call, before the answer is given."""
        return self._put(self._plain, command, is_on_time=True)

    async def call_durably(self, *command: Any) -> Answered:
        """The same for a write: answered when it is as durable as configured, or is not so in time; see ``is_durable``.

        What was sent to this in one turn is confirmed together. After one that was not, until one is: ``Unconfirmed``
        at once, and nothing is written.
        """
        self._confirming.check()
        reply = await self._put(self._durable, command)
        answered = reply if isinstance(reply, Answered) else Answered(reply, None)
        if not self.is_durable(answered):
            self._confirming.failed()
        return answered

    async def _is_confirmed_again(self) -> bool:
        try:
            answered = await self._put(self._durable, ("SET", self.probe(), "1", "EX", "60"))
        except (HubError, ResponseError):
            return False
        return self.is_durable(answered)

    def is_durable(self, answered: Answered) -> bool:
        """Whether it is."""
        return self.durability.is_local or self.durability.is_met(answered.copies)

    async def call_to_all(self, *command: Any) -> Answered:
        """The same, waiting for all the replicas there are; ``copies`` says how many have it."""
        if not self.replicas:
            return Answered(await self.call(*command), 0)
        answered: Answered = await self._put(self._to_all, command)
        return answered

    async def call_to_any(self, *command: Any) -> Answered:
        """The same, waiting for one replica, less than a second."""
        answered: Answered = await self._put(self._to_any, command)
        return answered

    def _put(self, lanes: Lanes, command: Command, *, is_on_time: bool = False) -> Awaitable[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._refuse is not None:
            metrics.STORE_FAILURES.add("refused")
            refuse(future, type(self._refuse)(self._refuse.detail))
        else:
            lanes.put(Waiting(command, future, is_on_time))
        return future

    def _failed(self) -> None:
        self._on_failure("maintenance")

    def _translate(self, error: ResponseError) -> Exception:
        if isinstance(error, ReadOnlyError) and self._follows:
            self._on_failure("maintenance")  # it was the primary: another one is, or will be
            metrics.STORE_FAILURES.add("transient")
            return Maintenance()
        if isinstance(error, ReadOnlyError | OutOfMemoryError) or str(error).startswith(READ_ONLY_REPLIES):
            self._on_failure("read_only")
            metrics.STORE_FAILURES.add("read_only")
            return ReadOnly()
        if is_denial(error):
            return self._denials.note(error)
        if isinstance(error, ELSEWHERE):
            metrics.STORE_FAILURES.add("transient")
            return Maintenance()  # the shard is well
        if isinstance(error, DOWN) or str(error).startswith(DOWN_REPLIES):
            self._on_failure("maintenance")
            metrics.STORE_FAILURES.add("transient")
            return Maintenance()
        return error

    @property
    def _all_lanes(self) -> list[Lanes]:
        return list({id(lanes): lanes for lanes in (self._plain, self._durable, self._to_all, self._to_any)}.values())

    def drop(self) -> asyncio.Future[Any]:
        """No connection made until now is used again, from this moment on; when they are closed."""
        return asyncio.gather(*(lanes.drop() for lanes in self._all_lanes))

    async def close(self) -> None:
        """Let what is under way arrive, then close the connections."""
        await self._confirming.stop()
        for lanes in self._all_lanes:
            await lanes.close()
