"""A wire between a browser and a node that can be slow, or cut: TCP on an address of its own."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType

from tests.support.ports import free_port

CHUNK_BYTES = 65_536


class Wire:
    """Started by ``async with``. ``url`` leads to what listens on ``port``; bytes take ``delay_seconds`` each way."""

    def __init__(self) -> None:
        self.own_port = free_port()
        self.url = f"http://127.0.0.1:{self.own_port}"
        self.port = 0
        self.delay_seconds = 0.0
        self.is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.own_port)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection, and refuse new ones until ``mend``."""
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self.is_cut = False

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        if self.is_cut:
            near.transport.abort()
            return
        with contextlib.suppress(OSError):
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.port)
            self._writers |= {near, far}
            try:
                await asyncio.gather(self._carry(near_reader, far), self._carry(far_reader, near))
            finally:
                self._writers -= {near, far}
                far.close()
        near.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each chunk arrives ``delay_seconds`` after it was sent, in order."""
        loop = asyncio.get_running_loop()
        while chunk := await reader.read(CHUNK_BYTES):
            loop.call_later(self.delay_seconds, _write, writer, chunk)
        loop.call_later(self.delay_seconds, writer.close)


def _write(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    if not writer.is_closing():
        writer.write(chunk)
