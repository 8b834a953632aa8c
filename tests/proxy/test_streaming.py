"""Large bodies: both directions at once, nothing held whole, and whoever does not read stops whoever writes."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc

from hub.proxy.ports import Timings
from tests.proxy.stage import DEADLINE_SECONDS, app, hub, raw_server, request, served, stream_back

PIECE = b"x" * 65536
PIECES = 1024  # 64 MiB
FLAT_BYTES = 16 * 1024 * 1024
HALTS_BELOW_BYTES = 32 * 1024 * 1024  # kernels buffer some on each of the two sockets


async def test_64_mib_both_ways_at_once_in_flat_memory() -> None:
    """An app that answers while it is still being sent to: nothing waits for the end, nothing is held whole."""
    async with served(stream_back) as port, hub(app(port, anonymous=True)) as stage, asyncio.timeout(50):
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        head = {"Content-Length": str(PIECES * len(PIECE)), "Transfer-Encoding": ""}
        writer.write(request("POST", "/apps/a/", head).replace(b"Transfer-Encoding: \r\n", b""))

        async def write() -> None:
            for _ in range(PIECES):
                writer.write(PIECE)
                await writer.drain()

        tracemalloc.start()
        writing = asyncio.create_task(write())
        received = 0
        while data := await reader.read(1 << 20):
            received += len(data)
        await writing
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        writer.close()
        assert received > PIECES * len(PIECE)
        assert peak < FLAT_BYTES


async def _pushed_until_stuck(writer: asyncio.StreamWriter) -> int:
    """How many bytes of up to 64 MiB the other side lets one write before it stops taking them."""
    pushed = 0
    with contextlib.suppress(TimeoutError):
        while pushed < PIECES * len(PIECE):
            writer.write(PIECE)
            pushed += len(PIECE)
            async with asyncio.timeout(0.5):
                await writer.drain()
    return pushed


async def test_an_answer_nobody_reads_stops_the_app() -> None:
    """The gateway does not collect what its caller does not take: the app's writes come to a halt."""
    pushed: asyncio.Queue[int] = asyncio.Queue()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await pushed.put(await _pushed_until_stuck(writer))
        writer.transport.abort()

    async with raw_server(pour) as port, hub(app(port, anonymous=True)) as stage, asyncio.timeout(DEADLINE_SECONDS):
        _, writer = await asyncio.open_connection("127.0.0.1", stage.port, limit=1024)
        writer.write(request("GET", "/apps/a/", {}))
        assert await pushed.get() < HALTS_BELOW_BYTES
        writer.transport.abort()


async def test_a_request_the_app_does_not_read_stops_the_caller() -> None:
    """Nor what an app does not take; if that lasts, the app has timed out."""
    done = asyncio.Event()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed as a write-only transport
        await done.wait()

    patient = Timings(first_byte=0.5, stalled_write=1.5)
    async with (
        raw_server(ignore) as port,
        hub(app(port, anonymous=True), timings=patient) as stage,
        asyncio.timeout(DEADLINE_SECONDS),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.write(request("POST", "/apps/a/", {"Content-Length": str(PIECES * len(PIECE))}))
        assert await _pushed_until_stuck(writer) < HALTS_BELOW_BYTES
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 504 ")
        done.set()
        writer.transport.abort()
