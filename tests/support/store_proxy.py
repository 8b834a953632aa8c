"""A wire between a node and its store that can be made to fail: answers that never arrive, messages that get lost.

It forwards bytes between Unix sockets. Only on the feed's connection does it look at them, to drop single messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

HEADER = b"*3\r\n$8\r\nsmessage\r\n"
MESSAGE = re.compile(rb"\*3\r\n\$8\r\nsmessage\r\n\$\d+\r\n([^\r]*)\r\n\$(\d+)\r\n")
CHANGE = b"c "
DONE = b"$4\r\ndone\r\n"  # the answer to a commit that was made


class StoreProxy:
    """Started by ``async with``. ``url`` is the store as a node behind it sees it."""

    def __init__(self, folder: Path, store_url: str) -> None:
        self._path, self._store = folder / "proxy.sock", store_url.removeprefix("unix://")
        self.url = f"unix://{self._path}"
        self.drop_changes = 0  # so many of the next published changes are lost, each to this node only
        self.dropped = 0
        self.lose_the_next_commit = False  # its answer is swallowed, and from then on every answer
        self.before_commit: tuple[str, Callable[[], None]] | None = None  # called once, before one of this sid is sent
        self.is_open = True  # or whoever connects is sent away
        self.is_holding = False
        self.lost_commits = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> StoreProxy:
        self._server = await asyncio.start_unix_server(self._accept, self._path)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)

    def cut(self) -> None:
        """Close every connection, and be a good wire again."""
        self.lose_the_next_commit = self.is_holding = False
        for writer in self._writers:
            writer.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, node_reader: asyncio.StreamReader, node: asyncio.StreamWriter) -> None:
        try:
            if not self.is_open:
                raise ConnectionRefusedError
            store_reader, store = await asyncio.open_unix_connection(self._store)
        except OSError:
            node.close()
            return
        both = {node, store}
        self._writers |= both
        wire = Wire(self)
        await asyncio.gather(_carry(node_reader, store, wire.to_store), _carry(store_reader, node, wire.to_node))
        self._writers -= both


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, through: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            if passed := through(data):
                target.write(passed)
                await target.drain()
    target.close()


class Wire:
    """One connection through the proxy."""

    def __init__(self, proxy: StoreProxy) -> None:
        self._proxy, self._is_feed, self._rest = proxy, False, b""

    def to_store(self, data: bytes) -> bytes:
        """All of it; a subscription says that this is the feed."""
        self._is_feed = self._is_feed or b"SSUBSCRIBE" in data
        if (wanted := self._proxy.before_commit) is not None and b"\r\nc " + wanted[0].encode() in data:
            self._proxy.before_commit = None
            wanted[1]()
        return data

    def to_node(self, data: bytes) -> bytes:
        """What is left of it."""
        if self._is_feed:
            self._rest += data
            return b"".join(self._whole_messages())
        proxy = self._proxy
        if DONE in data and proxy.lose_the_next_commit:
            proxy.lose_the_next_commit, proxy.is_holding = False, True
        if not proxy.is_holding:
            return data
        proxy.lost_commits += data.count(DONE)
        return b""

    def _whole_messages(self) -> list[bytes]:
        passed = []
        while self._rest:
            found = MESSAGE.match(self._rest)
            if found is None:
                if HEADER.startswith(self._rest[: len(HEADER)]):
                    break  # the rest of it is on its way
                end = self._rest.find(HEADER, 1)
                end = len(self._rest) if end < 0 else end
            else:
                end = found.end() + int(found[2]) + 2
                if len(self._rest) < end:
                    break
            piece, self._rest = self._rest[:end], self._rest[end:]
            if found is None or not self._drops(piece[found.end() :]):
                passed.append(piece)
        return passed

    def _drops(self, payload: bytes) -> bool:
        if not self._proxy.drop_changes or not payload.startswith(CHANGE):
            return False
        self._proxy.drop_changes -= 1
        self._proxy.dropped += 1
        return True
