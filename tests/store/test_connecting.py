"""What ends a start for good, and what only needs patience. TLS itself: ``tests/security/test_at_rest.py``."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.errors import ConfigurationError
from hub.store.connecting import StoreTls, check, connector, cut, establish
from hub.store.fitness import refuse_unfit
from hub.store.store import Store
from tests.store.conftest import Ear, Place
from tests.support.ports import free_port
from tests.support.tls_store import HOST, Authority


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[int]:
    """A store that has one answer to everything; its port."""

    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(reply)
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await asyncio.wait_for(gone.wait(), 5)
    finally:
        server.close()


async def test_a_refused_password_is_a_mistake_in_the_configuration() -> None:
    """It says so, and does not repeat it."""
    async with answering(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n") as port:
        with pytest.raises(ConfigurationError) as refused:
            await check(connector(f"redis://hub:canary@127.0.0.1:{port}"))
    assert str(refused.value) == "store_url: the store refuses this user and password"


async def test_a_store_that_is_not_there_yet_is_waited_for_elsewhere() -> None:
    """Loading its data, or not listening: that passes, and is no mistake of anybody."""
    async with answering(b"-LOADING the dataset is in memory\r\n") as port:
        await check(connector(f"redis://127.0.0.1:{port}"))
    await check(connector(f"redis://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize("which", ["ca_file", "cert_file"])
def test_certificates_that_cannot_be_used_are_named(which: str, tmp_path: Path) -> None:
    """One line with the file, whether it is missing or no certificate."""
    wrong = tmp_path / "wrong.pem"
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=rf"{wrong}: no usable certificate \("):
            connector("rediss://store.example.com", StoreTls(**{which: wrong}))
        wrong.write_text("not PEM")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("redis_version:7.0.15\r\nmaxmemory_policy:noeviction", None),
        ("redis_version:7.2.4\r\nvalkey_version:8.0.1\r\nmaxmemory_policy:noeviction", None),
        ("redis_version:6.2.7\r\nmaxmemory_policy:noeviction", "Redis 6.2.7; Redis 7.0 or newer is needed"),
        ("redis_version:7.0.15\r\nmaxmemory_policy:allkeys-lru", "maxmemory-policy is allkeys-lru: a full store would"),
    ],
)
async def test_a_store_that_would_lose_sessions_ends_the_start(told: str, said: str | None) -> None:
    """Too old for what the hub asks of it, or one that throws keys away when it is full."""
    async with answering(f"${len(told)}\r\n{told}\r\n".encode()) as port:
        connect = connector(f"redis://127.0.0.1:{port}")
        if said is None:
            await refuse_unfit(connect)
            return
        with pytest.raises(ConfigurationError, match=said):
            await refuse_unfit(connect)


async def test_a_store_that_does_not_say_is_not_judged() -> None:
    """A user that may not ask, or no answer at all: that shows elsewhere."""
    async with answering(b"-NOPERM this user has no permissions to run the 'info' command\r\n") as port:
        await refuse_unfit(connector(f"redis://127.0.0.1:{port}"))
    await refuse_unfit(connector(f"redis://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "control"])
async def test_a_connection_that_is_cut_is_let_go_at_once(is_cut: bool, tmp_path: Path) -> None:
    """Also over TLS, by a peer that has fallen silent; the ordinary way would wait for its answer."""
    gone, authority = asyncio.Event(), Authority(tmp_path)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"+OK\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await gone.wait()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=authority.server())
    url = f"rediss://{HOST}:{server.sockets[0].getsockname()[1]}"
    connection = connector(url, StoreTls(authority.file))()
    await establish(connection)
    await connection.send_command("PING")
    assert await connection.read_response() == b"OK"
    listening = asyncio.ensure_future(connection.read_response(timeout=math.inf))
    await asyncio.sleep(0)
    await (cut(connection) if is_cut else connection.disconnect(nowait=True))
    await asyncio.wait([listening], timeout=0.5)
    assert listening.done() is is_cut
    gone.set()
    server.close()
    await asyncio.gather(listening, return_exceptions=True)


@pytest.mark.contract
async def test_the_start_looks_at_the_store(place: Place) -> None:
    """A real one that was set to evict is refused, and taken once it is set right."""
    outside = place.outside()
    outside.config_set("maxmemory-policy", "allkeys-lru")
    store = Store(place.url, place.ring, "a-node-that-looks")
    try:
        with pytest.raises(ConfigurationError, match="allkeys-lru"):
            await store.start(Ear())
    finally:
        outside.config_set("maxmemory-policy", "noeviction")
        await store.stop()
