"""What ends a start for good, and what only needs patience. TLS itself: ``tests/security/test_at_rest.py``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.errors import ConfigurationError
from hub.store.connecting import StoreTls, check, connector
from tests.support.nodes import free_port


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
