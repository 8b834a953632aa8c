"""Calls to the store: all commands of one event-loop turn travel in one pipeline.

A call is never repeated here. What was not sent fails with ``Maintenance``; what was sent and not answered
fails with ``OutcomeUnknown``, and only the caller can find out whether it happened.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from hub.core.mode import Mode
from hub.errors import HubError, Maintenance, ReadOnly
from hub.store.connecting import Connect, establish
from hub.telemetry import metrics

LANES = 4  # connections; more batches wait and grow meanwhile
MOST_IN_A_BATCH = 512
FRESH_SECONDS = 1.0  # a connection idle for longer is looked at before it is trusted
TRANSIENT = (TryAgainError, ClusterDownError, MasterDownError)
READ_ONLY_REPLIES = ("MISCONF", "NOREPLICAS", "OOM")

Reply = Any
_Waiting = tuple[tuple[Any, ...], "asyncio.Future[Reply]", bool]  # command, answer, whether on time


class OutcomeUnknown(Maintenance):
    """The store was sent this call and did not answer."""


class Calls:
    """Batches calls onto a few connections. ``on_failure`` hears which mode an answer speaks for, ``on_time`` the
    store's clock (ms)."""

    def __init__(
        self, connect: Connect, on_failure: Callable[[Mode], None], on_time: Callable[[int], None] = lambda _: None
    ) -> None:
        self._connect = connect
        self._on_failure, self._on_time = on_failure, on_time
        self._refuse: HubError | None = None
        self._waiting: list[_Waiting] = []
        self._idle: list[tuple[AbstractConnection, float]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._waiting_since = 0.0

    def refuse(self, error: HubError | None) -> None:
        """While the store is known to be away, fail at once with ``error`` instead of trying."""
        self._refuse = error

    def call(self, *command: Any) -> Awaitable[Reply]:
        """Send one command; the awaitable gives its answer or raises a ``HubError`` or ``ResponseError``."""
        return self._put(command, is_on_time=False)

    def call_on_time(self, *command: Any) -> Awaitable[Reply]:
        """The same; ``on_time`` has heard the store's clock, as it is at this call, before the answer is given."""
        return self._put(command, is_on_time=True)

    def _put(self, command: tuple[Any, ...], *, is_on_time: bool) -> Awaitable[Reply]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        if self._refuse is not None:
            metrics.STORE_FAILURES.add("refused")
            _refuse(future, type(self._refuse)(self._refuse.detail))
            return future
        if not self._waiting:
            self._waiting_since = time.perf_counter()
        self._waiting.append((command, future, is_on_time))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._depart)
        return future

    def _depart(self) -> None:
        self._scheduled = False
        while self._waiting and len(self._tasks) < LANES:
            batch, self._waiting = (
                self._waiting[:MOST_IN_A_BATCH],
                self._waiting[MOST_IN_A_BATCH:],
            )
            task = asyncio.create_task(self._carry(batch, self._waiting_since))
            self._tasks.add(task)
            task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._waiting:
            self._depart()

    async def _carry(self, batch: list[_Waiting], since: float) -> None:
        connection: AbstractConnection | None = None
        try:
            connection = await self._lane()
            is_on_time = any(wanted for _, _, wanted in batch)
            commands = [command for command, _, _ in batch]
            await connection.send_packed_command(connection.pack_commands([("TIME",)] * is_on_time + commands))
            if is_on_time:
                await self._hear_time(connection)
            for _, future, _ in batch:
                await self._receive(connection, future)
            metrics.STORE_SECONDS.observe(time.perf_counter() - since, times=len(batch))
            self._idle.append((connection, asyncio.get_running_loop().time()))
        except (RedisError, OSError, asyncio.CancelledError) as error:
            self._fail(batch, was_sent=connection is not None)
            if connection is not None:
                await connection.disconnect(nowait=True)
            await self._drop_idle()  # what cut one has probably cut them all; each would fail one more batch
            if isinstance(error, asyncio.CancelledError):
                raise

    async def _lane(self) -> AbstractConnection:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection, since = self._idle.pop()
            if now - since < FRESH_SECONDS or not await _is_dead(connection):
                return connection
            await connection.disconnect(nowait=True)
        connection = self._connect()
        await establish(connection)
        return connection

    async def _hear_time(self, connection: AbstractConnection) -> None:
        """One ``TIME`` for all of a batch, first: what it is for was asked before it, and is answered after it."""
        try:
            seconds, microseconds = await connection.read_response()
        except (RedisConnectionError, AuthenticationError):
            raise
        except ResponseError:
            return  # so is what follows, and says why
        self._on_time(int(seconds) * 1000 + int(microseconds) // 1000)

    async def _receive(self, connection: AbstractConnection, future: asyncio.Future[Reply]) -> None:
        try:
            reply = await connection.read_response()
        except (RedisConnectionError, AuthenticationError):
            raise
        except ResponseError as error:
            if not future.done():
                _refuse(future, self._translate(error))
        else:
            if not future.done():
                future.set_result(reply)

    def _translate(self, error: ResponseError) -> Exception:
        if isinstance(error, ReadOnlyError | OutOfMemoryError) or str(error).startswith(READ_ONLY_REPLIES):
            self._on_failure("read_only")
            metrics.STORE_FAILURES.add("read_only")
            return ReadOnly()
        if isinstance(error, TRANSIENT):
            self._on_failure("maintenance")
            metrics.STORE_FAILURES.add("transient")
            return Maintenance()
        return error

    def _fail(self, batch: list[_Waiting], was_sent: bool) -> None:
        self._on_failure("maintenance")
        metrics.STORE_FAILURES.add("unanswered" if was_sent else "unsent", number=len(batch))
        for _, future, _ in batch:
            if not future.done():
                _refuse(future, OutcomeUnknown() if was_sent else Maintenance())

    async def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            await connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Let what is under way arrive, then close the connections."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        for connection, _ in self._idle:
            await connection.disconnect()
        self._idle.clear()


def _refuse(future: asyncio.Future[Reply], error: Exception) -> None:
    """Fail one call. Who asks several things and stops at the first that fails need not look at the others."""
    future.set_exception(error)
    future.exception()


async def _is_dead(connection: AbstractConnection) -> bool:
    """Whether the store closed a connection while nobody used it (or it holds something unread)."""
    try:
        return await connection.can_read()
    except (RedisError, OSError):
        return True
