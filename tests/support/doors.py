"""Ports of 127.0.0.1 that lead to the same port in another network, for those who talk to a machine from outside it.

What goes through a door does not touch the switch: a machine that is cut off can still be asked how it feels.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from types import TracebackType

NewSocket = Callable[[], socket.socket]
HERE = "127.0.0.1"


class Doors:
    """Started and closed by ``async with``."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Doors:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def open(self, port: int, outside: NewSocket, inside: NewSocket) -> None:
        """Whoever knocks at this port ``outside`` is led to it ``inside``; both make sockets of their network."""
        listening = outside()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HERE, port))

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(_lead(reader, writer, inside(), port))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._servers.append(await asyncio.start_server(accept, sock=listening))


async def _lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: socket.socket, port: int) -> None:
    to.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(to, (HERE, port))
        inner_reader, inner = await asyncio.open_connection(sock=to)
    except OSError:
        to.close()
        writer.close()
        return
    try:
        await asyncio.gather(_carry(reader, inner), _carry(inner_reader, writer))
    finally:
        inner.close()
        writer.close()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()
