"""One request and its answer on one connection: both directions at once, with the deadlines of an upstream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import h11

from hub.errors import UpstreamTimeout
from hub.proxy.connection import Connection, Head
from hub.proxy.ports import Timings


class Exchange:
    """Sends a request, possibly still sending while the answer is read. ``stop`` has to be called in the end."""

    def __init__(self, connection: Connection, timings: Timings) -> None:
        self.connection, self._timings = connection, timings
        self._sending: asyncio.Task[None] | None = None

    async def start(self, head: Head, body: AsyncIterator[bytes] | None) -> h11.Response:
        """The answer's head. Raises ``Silent``, ``Broken``, ``UpstreamTimeout``, and what ``body`` raises."""
        self.connection.begin(head)
        if body is None:
            self.connection.end()
        else:
            sending = self.connection.send_body(body, self._timings.stalled_write)
            self._sending = asyncio.create_task(sending)
        try:
            return await self._head()
        except TimeoutError as error:
            raise UpstreamTimeout from error

    async def stop(self) -> None:
        """Send no more."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _head(self) -> h11.Response:
        """The first byte is due a while after the request is complete, however long that took."""
        if self._sending is None:
            async with asyncio.timeout(self._timings.first_byte):
                return await self.connection.receive_head()
        reading = asyncio.create_task(self.connection.receive_head())
        try:
            await asyncio.wait({reading, self._sending}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                self._sending.result()
            async with asyncio.timeout(self._timings.first_byte):
                return await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
