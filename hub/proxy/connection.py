"""One HTTP/1.1 connection to an app's server: h11 says what the bytes mean, this class moves them.

An answer may begin while the request is still being sent, as HTTP allows, so both directions run at once and neither
is ever held whole: reading pauses while nobody takes what came, writing waits while the server does not take it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import h11

from hub.errors import Malformed

HIGH_WATER_BYTES = 64 * 1024
MAX_HEAD_BYTES = 64 * 1024

Header: TypeAlias = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body. ``headers`` hold ``Host`` and, where a body follows, its framing."""

    method: str
    target: bytes
    headers: Sequence[Header]


class Silent(Exception):
    """The connection ended before a single byte of an answer."""


class Broken(Exception):
    """The connection ended in the middle, or what came is no HTTP."""


class Connection(asyncio.Protocol):
    """One connection, used for one request after another."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._transport: asyncio.Transport | None = None
        self._arrived, self._writable = asyncio.Event(), asyncio.Event()
        self._writable.set()
        self._unread = 0
        self._has_answered = False
        self._is_idle = True
        self.is_lost = False
        self.uses = 0
        self.idle_since = 0.0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class does not derive from it

    def data_received(self, data: bytes) -> None:
        if self._is_idle:  # nobody asked: whatever it is, it must not become the next request's answer
            self.close()
            return
        self._has_answered = True
        self._h11.receive_data(data)
        self._unread += len(data)
        if self._unread > HIGH_WATER_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self._arrived.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_lost and not self._is_idle:
            self._h11.receive_data(b"")
        self.is_lost = True
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # sending

    def begin(self, head: Head) -> None:
        """Send a request's head. Raises ``Malformed`` for one that HTTP/1.1 cannot carry."""
        try:
            request = h11.Request(method=head.method, target=head.target, headers=list(head.headers))
            self._is_idle, self._has_answered = False, False
            self.uses += 1
            self._write(self._h11.send(request))
        except h11.LocalProtocolError as error:
            raise Malformed("The request cannot be passed on") from error

    def end(self) -> None:
        """The request is complete."""
        self._write(self._h11.send(h11.EndOfMessage()))

    async def send_body(self, body: AsyncIterator[bytes], stalled_seconds: float) -> None:
        """Send a body piece by piece. Raises ``TimeoutError`` if the server does not take it."""
        async for piece in body:
            self._write(self._h11.send(h11.Data(data=piece)))
            if not self._writable.is_set():
                async with asyncio.timeout(stalled_seconds):
                    await self._writable.wait()
            if self.is_lost:
                return  # it may have answered all the same: that is for the reader to find
        self.end()

    def _write(self, data: bytes | None) -> None:
        if data and self._transport is not None and not self.is_lost:
            self._transport.write(data)

    # receiving

    async def receive_head(self) -> h11.Response:
        """The answer's head; provisional answers (1xx) stay here. Raises ``Silent`` or ``Broken``."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise Broken("no answer came")

    async def receive_body(self) -> AsyncIterator[bytes]:
        """The answer's body, as it comes. Raises ``Broken`` if it ends too early."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                return

    async def _next(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                raise (Broken if self._has_answered else Silent)(str(error)) from error
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]  # a sentinel class, which mypy does not narrow
            self._unread = 0
            self._arrived.clear()
            if self.is_lost:
                raise Silent if not self._has_answered else Broken
            if self._transport is not None:
                self._transport.resume_reading()
            await self._arrived.wait()

    # afterwards

    def finish(self, now: float) -> bool:
        """Whether the connection can take another request; it is closed otherwise."""
        is_whole = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        if self.is_lost or not is_whole or self._h11.trailing_data[0]:
            self.close()
            return False
        self._h11.start_next_cycle()
        self._is_idle, self.idle_since, self._unread = True, now, 0
        if self._transport is not None:
            self._transport.resume_reading()
        return True

    def close(self) -> None:
        """Break off."""
        self.is_lost = True
        self._arrived.set()
        self._writable.set()
        if self._transport is not None:
            self._transport.abort()


async def connect(host: str, port: int, tls: ssl.SSLContext | None) -> Connection:
    """A connection of its own. Raises ``OSError``."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, host, port, ssl=tls)
    return connection
