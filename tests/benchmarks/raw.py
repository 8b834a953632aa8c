"""A cheap load generator: raw HTTP/1.1 over kept connections, one request at a time on each, counted and timed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast

_END = b"\r\n\r\n"


@dataclass
class Load:
    """What one run saw: seconds of each request, and answers that were not 200."""

    seconds: float = 0.0
    took: list[float] = field(default_factory=list)
    failed: int = 0

    def milliseconds(self, fraction: float) -> float:
        """The time that this fraction of the requests stayed under."""
        ordered = sorted(self.took)
        return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))] * 1000


class _Caller(asyncio.Protocol):
    """One connection that asks again as soon as it is answered, or at its own pace."""

    def __init__(self, request: bytes, until: float, load: Load, pause: float, done: asyncio.Future[None]) -> None:
        self._request, self._until, self._load, self._pause, self._done = request, until, load, pause, done
        self._buffer, self._began = b"", 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(_END)
        if not end:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            return
        self._buffer = b""
        now = time.perf_counter()
        self._load.took.append(now - self._began)
        self._load.failed += not head.startswith(b"HTTP/1.1 200")
        if now >= self._until:
            self._transport.close()
        elif self._pause:
            asyncio.get_running_loop().call_later(self._pause, self._ask)
        else:
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def run(port: int, request: bytes, *, connections: int, seconds: float, pause: float = 0.0) -> Load:
    """Keep ``connections`` busy for ``seconds``; each waits ``pause`` seconds between its requests."""
    loop, load = asyncio.get_running_loop(), Load()
    began = time.perf_counter()
    waits: list[asyncio.Future[None]] = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        waits.append(done)
        await loop.create_connection(
            lambda done=done: _Caller(request, began + seconds, load, pause, done),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
    await asyncio.gather(*waits)
    load.seconds = time.perf_counter() - began
    return load


def get(target: str, port: int, **headers: str) -> bytes:
    """A request as bytes; underscores in header names become dashes."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join([f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", *lines]) + "\r\n\r\n").encode()
