"""An app's server: its connections, its breaker, and how its failures are told.

The target comes from configuration alone. A request is tried a second time only if it is idempotent and cannot have
been answered: the connection could not be made, or one that was kept open turned out to be closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from hub.errors import Overloaded, UpstreamFailed, UpstreamTimeout, UpstreamUnavailable
from hub.proxy.breaker import Breaker
from hub.proxy.connection import Broken, Connection, Head, Header, Silent, connect
from hub.proxy.exchange import Exchange
from hub.proxy.ports import Timings

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
MOST_CONNECTIONS = 1000
MOST_IDLE = 32
FRESH_SECONDS = 1.0
"""A request that must not be sent twice takes a kept connection only if it was used this recently."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An upstream's answer: its head, and its body as it comes."""

    status: int
    headers: Sequence[Header]
    body: AsyncIterator[bytes]


class Upstream:
    """The server of one app."""

    def __init__(self, origin: str, timings: Timings) -> None:
        url = urlsplit(origin)
        self.is_secure = url.scheme == "https"
        self.host = url.hostname or ""
        self.port = url.port or (443 if self.is_secure else 80)
        self.tls = ssl.create_default_context() if self.is_secure else None
        self.timings, self.breaker = timings, Breaker()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()

    @contextlib.asynccontextmanager
    async def ask(self, head: Head, body: AsyncIterator[bytes] | None) -> AsyncIterator[Answer]:
        """Send a request; the answer is read inside the block. Raises ``Upstream…`` and what ``body`` raises."""
        self.check()
        exchange, response = await self._attempts(head, body)
        try:
            self.breaker.on_answer()
            if response.status_code > 599:
                raise UpstreamFailed("The app answered with a status that does not exist")
            yield Answer(response.status_code, list(response.headers), exchange.connection.receive_body())
        except Broken as error:
            raise UpstreamFailed("The app broke off its answer") from error
        finally:
            await self._release(exchange)

    def check(self) -> None:
        """Raise ``UpstreamUnavailable`` while the breaker is open."""
        if wait_seconds := self.breaker.wait(time.monotonic()):
            raise UpstreamUnavailable(retry_after_seconds=wait_seconds)

    def on_unreachable(self) -> UpstreamUnavailable:
        """Count a connection that could not be made; the error to raise."""
        self.breaker.on_failure(time.monotonic())
        return UpstreamUnavailable()

    def close(self) -> None:
        """Close every connection."""
        for connection in [*self._idle, *self._busy]:
            connection.close()
        self._idle.clear()

    async def _attempts(self, head: Head, body: AsyncIterator[bytes] | None) -> tuple[Exchange, h11.Response]:
        may_repeat = head.method in IDEMPOTENT
        connection = self._kept(any_age=may_repeat and body is None)
        was_kept = connection is not None
        if connection is None:
            connection = await self._connect(tries=2 if may_repeat else 1)
        try:
            return await self._attempt(connection, head, body)
        except Silent as error:
            if not (was_kept and may_repeat and body is None):
                raise UpstreamFailed("The app closed the connection without an answer") from error
        try:
            return await self._attempt(await self._connect(tries=1), head, body)
        except Silent as error:
            raise UpstreamFailed("The app closed the connection without an answer") from error

    async def _attempt(
        self, connection: Connection, head: Head, body: AsyncIterator[bytes] | None
    ) -> tuple[Exchange, h11.Response]:
        exchange = Exchange(connection, self.timings)
        self._busy.add(connection)
        try:
            return exchange, await exchange.start(head, body)
        except UpstreamTimeout:
            self.breaker.on_failure(time.monotonic())
            await self._release(exchange)
            raise
        except Broken as error:
            await self._release(exchange)
            raise UpstreamFailed("The app's answer is no HTTP") from error
        except BaseException:
            await self._release(exchange)
            raise

    def _kept(self, *, any_age: bool) -> Connection | None:
        """The connection used last, if one is still open and young enough."""
        oldest = time.monotonic() - (self.timings.idle_connection if any_age else FRESH_SECONDS)
        while self._idle:
            if self._idle[-1].idle_since < oldest and not any_age:
                return None
            connection = self._idle.pop()
            if not connection.is_lost and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    async def _connect(self, tries: int) -> Connection:
        if len(self._busy) >= MOST_CONNECTIONS:
            raise Overloaded("This app has as many requests at once as it may")
        for left in reversed(range(tries)):
            try:
                async with asyncio.timeout(self.timings.connect):
                    return await connect(self.host, self.port, self.tls)
            except OSError as error:  # TimeoutError is one, ssl.SSLError too
                if not left:
                    raise self.on_unreachable() from error
        raise AssertionError("at least one try")

    async def _release(self, exchange: Exchange) -> None:
        connection = exchange.connection
        if connection not in self._busy:
            return
        await exchange.stop()
        self._busy.discard(connection)
        if not connection.finish(time.monotonic()):
            return
        self._idle = [each for each in self._idle[-MOST_IDLE + 1 :] if not each.is_lost]
        self._idle.append(connection)
