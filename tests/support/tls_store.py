"""A store behind TLS, on TCP, and a wiretap on the way: what somebody on the network between node and store sees.

The embedded Valkey listens on a Unix socket only, so TLS ends in a small proxy in front of it; the tap keeps both sides
of it: the bytes on the wire, and what is inside the TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from types import TracebackType

import trustme

HOST = "localhost"


class Authority:
    """A certificate authority of a test, with its certificates as files."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca, self._folder, self._name = trustme.CA(), folder, name
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def server(self, host: str = HOST, *, asks_clients: bool = False) -> ssl.SSLContext:
        """What a server of this host shows; with ``asks_clients`` it lets nobody in without a certificate of ours."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(host).configure_cert(context)
        if asks_clients:
            context.verify_mode = ssl.CERT_REQUIRED
            self._ca.configure_trust(context)
        return context

    def client(self) -> tuple[Path, Path]:
        """Certificate and key of a client, as files."""
        made = self._ca.issue_cert("node@hub.test")
        cert, key = self._folder / f"{self._name}-client.pem", self._folder / f"{self._name}-client-key.pem"
        made.cert_chain_pems[0].write_to_path(cert)
        made.private_key_pem.write_to_path(key)
        return cert, key


class Tap:
    """Takes connections on a port of ``localhost``, passes them on to a store's Unix socket, and keeps every byte.

    With a ``tls`` context it is the store's end of TLS. Started by ``async with``.
    """

    def __init__(self, store_url: str, tls: ssl.SSLContext | None = None) -> None:
        self._store, self._tls = store_url.removeprefix("unix://"), tls
        self.on_the_wire, self.inside = bytearray(), bytearray()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self.url = ""

    async def __aenter__(self) -> Tap:
        inner = await self._listen(self._to_store, self._tls)
        outer = await self._listen(lambda *ends: self._to_port(inner, *ends), None)
        self.url = f"{'rediss' if self._tls else 'redis'}://{HOST}:{outer}"
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, serve: object, tls: ssl.SSLContext | None) -> int:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(serve(reader, writer))  # type: ignore[operator]
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _to_store(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join((reader, writer), await asyncio.open_unix_connection(self._store), self.inside)

    async def _to_port(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join((reader, writer), await asyncio.open_connection("127.0.0.1", port), self.on_the_wire)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _join(one: Ends, other: Ends, kept: bytearray) -> None:
    try:
        await asyncio.gather(_carry(one[0], other[1], kept), _carry(other[0], one[1], kept))
    finally:
        one[1].close()
        other[1].close()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            kept += data
            target.write(data)
            await target.drain()
    target.close()
