"""A gibibyte up and a gibibyte down through the gateway: streamed, never held."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.nodes import Cluster, Node
from tests.support.ports import free_port
from tests.support.tabs import log_in

pytestmark = pytest.mark.edge

MIB = 2**20
SIZE = 1024 * MIB
CHUNK = bytes(range(256)) * 4096
MOST_GROWTH = 20 * MIB
SOCKET_BYTES = 2**18


class BigApp:
    """Counts and hashes what is sent to it, and sends ``SIZE`` bytes of its own; one request a connection."""

    def __init__(self) -> None:
        self.received, self.digest = 0, hashlib.blake2b(digest_size=16)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            wanted = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
            while self.received < wanted and (part := await reader.read(SOCKET_BYTES)):
                self.received += len(part)
                self.digest.update(part)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % SIZE)
            for _ in range(SIZE // len(CHUNK)):
                writer.write(CHUNK)
                await writer.drain()
        await writer.drain()
        writer.close()


@asynccontextmanager
async def big_app(port: int) -> AsyncIterator[BigApp]:
    made = BigApp()
    server = await asyncio.start_server(made.serve, "127.0.0.1", port, limit=SOCKET_BYTES)
    try:
        yield made
    finally:
        server.close()


def resident(node: Node) -> int:
    """Bytes that the node has in memory."""
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def peak(node: Node) -> int:
    """The most it had since ``forget_peak``."""
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def forget_peak(node: Node) -> None:
    Path(f"/proc/{node.process.pid}/clear_refs").write_text("5")


@pytest.fixture(scope="module")
def ports(hub_cluster: Cluster) -> tuple[Node, int]:
    app_port = free_port()
    return hub_cluster.node(port=None, HUB_APPS__A__UPSTREAM=f"http://127.0.0.1:{app_port}"), app_port


async def exchange(node: Node, request: bytes, body_bytes: int = 0) -> tuple[bytes, int, str]:
    """One raw request; the head of the answer, and how much followed with which digest."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port, limit=SOCKET_BYTES)
    writer.write(request)
    for _ in range(body_bytes // len(CHUNK)):
        writer.write(CHUNK)
        await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    count, digest = 0, hashlib.blake2b(digest_size=16)
    while part := await reader.read(SOCKET_BYTES):
        count += len(part)
        digest.update(part)
    writer.close()
    return head, count, digest.hexdigest()


def whole() -> str:
    digest = hashlib.blake2b(digest_size=16)
    for _ in range(SIZE // len(CHUNK)):
        digest.update(CHUNK)
    return digest.hexdigest()


@pytest.mark.timeout(180)
async def test_a_gibibyte_each_way_leaves_the_nodes_memory_flat(hub_cluster: Cluster, ports: tuple[Node, int]) -> None:
    """Every byte arrives, and the node never has more than 20 MiB more than before."""
    node, app_port = ports
    token = (await log_in(hub_cluster, node)).token
    shared = f"Host: 127.0.0.1:{node.port}\r\nCookie: hub={token}\r\nConnection: close\r\nOrigin: {node.url}\r\n"
    async with big_app(app_port) as app:
        await exchange(
            node, f"POST /apps/a/up HTTP/1.1\r\n{shared}Content-Length: {len(CHUNK)}\r\n\r\n".encode(), len(CHUNK)
        )
        app.received, app.digest = 0, hashlib.blake2b(digest_size=16)
        before = resident(node)
        forget_peak(node)
        up = f"POST /apps/a/up HTTP/1.1\r\n{shared}Content-Length: {SIZE}\r\n\r\n".encode()
        head, _, _ = await exchange(node, up, SIZE)
        assert head.startswith(b"HTTP/1.1 200"), head
        assert (app.received, app.digest.hexdigest()) == (SIZE, whole())
        head, count, digest = await exchange(node, f"GET /apps/a/down HTTP/1.1\r\n{shared}\r\n".encode())
        assert (count, digest) == (SIZE, whole())
    growth = peak(node) - before
    print(f"peak growth {growth / MIB:.1f} MiB over 2 x {SIZE // MIB} MiB")
    assert growth < MOST_GROWTH
