"""A gateway on a real socket in front of real servers, and raw ways to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.api.edge import Edge
from hub.core.session import Session
from hub.identity.cookies import Cookies
from hub.proxy.gateway import Gateway, Services
from hub.proxy.ports import App, Timings
from tests.identity.worlds import PUBLIC_URL, World

HOST = "hub.example.com"
APP_HOST = "own.example.com"
QUICK = Timings(connect=0.5, first_byte=0.5, stalled_write=1.0, watch_after=0.05)
DEADLINE_SECONDS = 10.0


@dataclass
class Hub:
    """The gateway and what it asked of others."""

    world: World
    gateway: Gateway
    port: int = 0
    touched: list[str] = field(default_factory=list)
    following: asyncio.Event = field(default_factory=asyncio.Event)
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    cut_code: int = 4500

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"__Host-hub={self.world.token}"}

    async def touch(self, session: Session, /) -> None:
        self.touched.append(session.sid)

    async def follow(self, session: Session, /) -> int:
        self.following.set()
        await self.cut.wait()
        return self.cut_code

    async def get(self, target: str, method: str = "GET", body: str = "", **headers: str) -> Reply:
        """One request on a connection of its own; underscores in header names become dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await talk(self.port, request(method, target, named, body.encode()), method)


@dataclass(frozen=True)
class Reply:
    """An answer, read to the end of the connection."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        found = self.all(name)
        return ", ".join(found) if found else None

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]

    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Page:
    """Pages as plain as they can be."""

    def __call__(
        self, status: int, title: str, body: str, retry_seconds: int | None = None, /
    ) -> tuple[bytes, Mapping[str, str]]:
        return f"<title>{title}</title>{body}<i>{retry_seconds}</i>".encode(), {
            "content-type": "text/html; charset=utf-8",
            "x-page": "1",
        }


@contextlib.asynccontextmanager
async def hub(*apps: App, timings: Timings = QUICK, trusted: tuple[str, ...] = (), **world: Any) -> AsyncIterator[Hub]:
    """A gateway for ``apps``, on a port of its own, under the hub's outermost application."""
    made = World(**world)
    stage = Hub(made, gateway=None)  # type: ignore[arg-type]  # set in the next line
    services = Services(
        authenticate=made.authenticator.authenticate,
        signer=made.contexts,
        touch=stage.touch,
        follow=stage.follow,
        page=Page(),
    )
    stage.gateway = Gateway(
        apps, services, cookies=Cookies(secure=True), public_url=PUBLIC_URL, trusted_proxies=trusted, timings=timings
    )
    async with served(Edge(stage.gateway, {HOST, APP_HOST})) as stage.port:
        yield stage
        stage.cut.set()
        stage.gateway.close()


def app(port: int, **changes: Any) -> App:
    """App ``a`` under ``/apps/a``, its server on ``port``."""
    made = App("a", f"http://127.0.0.1:{port}", prefix="/apps/a", grants={"profile": "write", "identity": "read"})
    return replace(made, **changes)


@contextlib.asynccontextmanager
async def served(application: ASGIApp) -> AsyncIterator[int]:
    """An ASGI application on a port of 127.0.0.1."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        server.force_exit = True
        await running


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def raw_server(serve: Serve) -> AsyncIterator[int]:
    """A server that does with a connection whatever it likes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def free_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def request(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request in bytes, for a connection that closes after it."""
    given = {"Host": HOST, "Connection": "close", **headers}
    if body and "Transfer-Encoding" not in given:
        given.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


async def talk(port: int, raw: bytes, method: str = "GET") -> Reply:
    """Send bytes, and read until the other side closes."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        data = await reader.read()
        writer.close()
    return parse(data, method)


def parse(data: bytes, method: str = "GET") -> Reply:
    """Read an answer; a chunked body is put together. Raises ``ValueError`` if it ends too early."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    reply = Reply(int(first.split(" ")[1]), headers, body)
    if reply.header("transfer-encoding") == "chunked":
        return replace(reply, body=_unchunk(body))
    length = reply.header("content-length")
    if length is not None and method != "HEAD" and len(body) != int(length):
        raise ValueError(f"{len(body)} bytes came, {length} were promised")
    return reply


def _unchunk(body: bytes) -> bytes:
    made = b""
    while True:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return made
        made, body = made + rest[:length], rest[length + 2 :]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was asked: method, target, headers, and how long the body was."""
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    query = scope["query_string"]
    told = {
        "method": scope["method"],
        "target": (scope["raw_path"] + (b"?" + query if query else b"")).decode(),
        "headers": [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]],
        "length": length,
    }
    body = orjson.dumps(told)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def stream_back(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends every piece back the moment it comes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})


def heard(reply: Reply) -> dict[str, list[str]]:
    """The headers that ``echo`` heard, by name."""
    found: dict[str, list[str]] = {}
    for name, value in reply.json()["headers"]:
        found.setdefault(name, []).append(value)
    return found
