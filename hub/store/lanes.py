"""A few connections to the store, and calls that travel on them together: those of one event-loop turn in one pipeline.

A call is never repeated here. What was not sent fails with ``Maintenance``; what was sent and not answered
fails with ``OutcomeUnknown``, and only the caller can find out whether it happened. What a server says it has not done,
because another one should, may be taken over by whoever knows the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeAlias

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from hub.errors import Maintenance
from hub.store.connecting import CALL_SECONDS, Connect, establish
from hub.telemetry import metrics

MOST_IN_A_BATCH = 512
FRESH_SECONDS = 1.0  # a connection idle for longer is looked at before it is trusted

ASKING = ("ASKING",)

Reply: TypeAlias = Any
Command: TypeAlias = tuple[Any, ...]


class OutcomeUnknown(Maintenance):
    """The store was sent this call and did not answer."""


class Answered(NamedTuple):
    """An answer, and what the store then said to waiting for its copies (``None``: it could not wait)."""

    reply: Reply
    copies: Reply


class Waiting(NamedTuple):
    """A call on its way: its command, its answer to be, and whether the store's clock is wanted before it.

    For one that was sent elsewhere: how often, until when it may be again (loop time), and whether the server is to be
    told that it was named only for this once.
    """

    command: Command
    future: asyncio.Future[Any]
    is_on_time: bool = False
    tries: int = 0
    until: float = 0.0
    is_asking: bool = False


class TakenOver(Exception):
    """Somebody else sees to the answer."""


class Lanes:
    """At most ``most`` connections. With ``wait``, each batch is followed by that command, which the store answers when
    enough copies of the batch are safe, or not in time; what was done is answered then, all of it with ``Answered``.
    """

    def __init__(
        self,
        connect: Connect,
        most: int,
        *,
        failed: Callable[[], None],
        translate: Callable[[Waiting, ResponseError], Exception],
        on_time: Callable[[int], None] = lambda _: None,
        wait: Callable[[], Command] | None = None,
    ) -> None:
        self._connect, self._most, self._wait = connect, most, wait
        self._failed, self._translate, self._on_time = failed, translate, on_time
        self._waiting: list[Waiting] = []
        self._idle: list[tuple[AbstractConnection, float]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._waiting_since = 0.0
        self._generation = 0

    def put(self, waiting: Waiting) -> None:
        """Send it with all others of this turn."""
        if not self._waiting:
            self._waiting_since = time.perf_counter()
        self._waiting.append(waiting)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._depart)

    def _depart(self) -> None:
        self._scheduled = False
        while self._waiting and len(self._tasks) < self._most:
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

    async def _carry(self, batch: list[Waiting], since: float) -> None:
        connection: AbstractConnection | None = None
        generation = self._generation
        try:
            connection = await self._lane()
            await self._exchange(connection, batch)
            metrics.STORE_SECONDS.observe(time.perf_counter() - since, times=len(batch))
            if generation == self._generation:
                self._idle.append((connection, asyncio.get_running_loop().time()))
            else:
                await connection.disconnect(nowait=True)
        except (RedisError, OSError, asyncio.CancelledError) as error:
            self._fail(batch, was_sent=connection is not None)
            if connection is not None:
                await connection.disconnect(nowait=True)
            await self.drop()  # what cut one has probably cut them all; each would fail one more batch
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

    async def _exchange(self, connection: AbstractConnection, batch: list[Waiting]) -> None:
        is_on_time = any(waiting.is_on_time for waiting in batch)
        commands: list[Command] = [("TIME",)] * is_on_time
        for waiting in batch:
            if waiting.is_asking:
                commands.append(ASKING)
            commands.append(waiting.command)
        if self._wait is not None:
            commands.append(self._wait())
        await connection.send_packed_command(connection.pack_commands(commands))
        if is_on_time:
            await self._hear_time(connection)
        if self._wait is None:
            for waiting in batch:
                _settle(waiting.future, await self._read(connection, waiting))
            return
        found = []
        for waiting in batch:
            reply = await self._read(connection, waiting)
            if isinstance(reply, Exception):
                _settle(waiting.future, reply)  # there is nothing to wait for
            else:
                found.append((waiting.future, reply))
        copies = await _read_copies(connection)
        for future, reply in found:
            _settle(future, Answered(reply, copies))

    async def _hear_time(self, connection: AbstractConnection) -> None:
        """One ``TIME`` for all of a batch, first: what it is for was asked before it, and is answered after it."""
        try:
            seconds, microseconds = await connection.read_response()
        except (RedisConnectionError, AuthenticationError):
            raise
        except ResponseError:
            return  # so is what follows, and says why
        self._on_time(int(seconds) * 1000 + int(microseconds) // 1000)

    async def _read(self, connection: AbstractConnection, waiting: Waiting) -> Reply:
        """An answer, or the exception that the store's refusal stands for."""
        if waiting.is_asking:
            await self._read(connection, waiting._replace(is_asking=False))  # what matters is said to what follows
        try:
            return await connection.read_response()
        except (RedisConnectionError, AuthenticationError):
            raise
        except ResponseError as error:
            return self._translate(waiting, error)

    def _fail(self, batch: list[Waiting], was_sent: bool) -> None:
        self._failed()
        metrics.STORE_FAILURES.add("unanswered" if was_sent else "unsent", number=len(batch))
        for waiting in batch:
            _settle(waiting.future, OutcomeUnknown() if was_sent else Maintenance())

    def drop(self) -> Coroutine[Any, Any, None]:
        """No connection made until now is used again, from this moment on; awaited, those that are idle are closed."""
        self._generation += 1
        idle, self._idle = self._idle, []
        return _close([connection for connection, _ in idle])

    async def close(self) -> None:
        """Let what is under way arrive, then close the connections."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        for connection, _ in self._idle:
            await connection.disconnect()
        self._idle.clear()


async def _close(connections: Sequence[AbstractConnection]) -> None:
    for connection in connections:
        await connection.disconnect(nowait=True)


async def _read_copies(connection: AbstractConnection) -> Reply:
    """The answer to the command that waits, which takes longer than others; ``None`` for a refusal."""
    try:
        copies = await connection.read_response(timeout=CALL_SECONDS * 2)
    except (RedisConnectionError, AuthenticationError):
        raise
    except ResponseError:
        return None
    if copies is None:
        raise RedisConnectionError("the store does not stop waiting")
    return copies


def _settle(future: asyncio.Future[Any], reply: Any) -> None:
    """Answer one call, unless nobody waits any more."""
    if future.done():
        return
    if isinstance(reply, Exception):
        if not isinstance(reply, TakenOver):
            refuse(future, reply)
    else:
        future.set_result(reply)


def refuse(future: asyncio.Future[Any], error: Exception) -> None:
    """Fail one call. Who asks several things and stops at the first that fails need not look at the others."""
    future.set_exception(error)
    future.exception()


async def _is_dead(connection: AbstractConnection) -> bool:
    """Whether the store closed a connection while nobody used it (or it holds something unread)."""
    try:
        return await connection.can_read()
    except (RedisError, OSError):
        return True
