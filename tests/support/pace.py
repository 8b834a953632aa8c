"""Callers at a steady pace in a process of their own: ``python -m tests.support.pace``, told what to do by ``Pace``.

An open loop: a request is due at its moment whether or not those before it were answered, and its time counts from
then. Every second request commits, the others read.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.nodes import SERVICE_KEY
from tests.support.puppets import Handlers, Puppet, serve

CONNECTIONS = 32
MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Answered:
    """One request: when it was due (monotonic), how long its answer took, what it was, and its status."""

    due: float
    seconds: float
    kind: str
    status: int


class Process:
    """The callers."""

    def __init__(self) -> None:
        self._done: list[tuple[float, float, str, int]] = []
        self._running: asyncio.Task[None] | None = None
        self._due: asyncio.Queue[tuple[float, str, bytes]] = asyncio.Queue()

    def handlers(self) -> Handlers:
        """What may be asked."""
        return {"start": self.start, "stop": self.stop}

    async def start(self, port: int, sids: Sequence[str], per_second: float) -> None:
        """Begin."""
        self._port = port
        self._workers = [asyncio.create_task(self._work()) for _ in range(CONNECTIONS)]
        self._running = asyncio.create_task(self._run(sids, 1 / per_second))

    async def stop(self) -> list[tuple[float, float, str, int]]:
        """Ask no more; what was answered, once all is."""
        assert self._running is not None
        self._running.cancel()
        await self._due.join()
        for worker in self._workers:
            worker.cancel()
        return self._done

    async def _run(self, sids: Sequence[str], every: float) -> None:
        due = time.monotonic()
        for number in itertools.count():
            sid = sids[number // 2 % len(sids)]
            kind = "commit" if number % 2 else "read"
            self._due.put_nowait((due, kind, self._request(kind, sid, number)))
            due += every
            if (pause := due - time.monotonic()) > 0:
                await asyncio.sleep(pause)

    def _request(self, kind: str, sid: str, number: int) -> bytes:
        body = b'{"cart": {"at": %d}}' % number if kind == "commit" else b""
        lines = [
            f"{'PATCH' if body else 'GET'} /v1/sessions/{sid}/document HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            f"Authorization: Bearer {SERVICE_KEY}",
            *([f"Content-Type: {MERGE}", f"Content-Length: {len(body)}"] if body else []),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    async def _work(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while True:
            due, kind, request = await self._due.get()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            self._done.append((due, time.monotonic() - due, kind, int(head[9:12])))
            self._due.task_done()


class Pace(Puppet):
    """Steady callers, in another process."""

    def __init__(self) -> None:
        super().__init__("tests.support.pace")

    async def start(self, port: int, sids: Sequence[str], per_second: float) -> None:
        """Begin to commit and read at this node."""
        await self.ask("start", port=port, sids=list(sids), per_second=per_second)

    async def stop(self) -> list[Answered]:
        """All that was answered."""
        return [Answered(*each) for each in await self.ask("stop")]


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value that this fraction of them stays under."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))]


if __name__ == "__main__":
    serve(lambda: Process().handlers())
