"""An app that is gone, hangs, answers garbage or breaks off harms its own requests; the next app does not notice."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.support.echo import EchoApp
from tests.support.nodes import Cluster, Node
from tests.support.ports import free_port
from tests.support.tabs import log_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.edge

ROUNDS = 150
OTHERS = 4  # callers that keep asking the other app meanwhile
SLOWEST_SECONDS = 1.0  # p99 of the healthy app, on a machine that does other things too; its neighbour's hang takes 2

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the request and says nothing, until the other side gives up."""
    while await reader.read(65536):
        pass
    writer.close()


async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    writer.close()


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x00\xffnonsense\r\n" * 200)
    writer.close()


async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000)
    await writer.drain()
    writer.close()


@asynccontextmanager
async def failing(port: int, serve: Serve | None) -> AsyncIterator[None]:
    """An app on ``port`` that behaves like this, or none at all; its connections go when it goes."""
    if serve is None:
        yield
        return
    open_ones: set[asyncio.StreamWriter] = set()

    async def noted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        await serve(reader, writer)

    server = await asyncio.start_server(noted, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for writer in open_ones:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in open_ones), return_exceptions=True)


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster) -> Iterator[tuple[Node, int]]:
    """A node with the healthy app ``a``; app ``b`` is where a test puts it."""
    port = free_port()
    with EchoApp() as healthy:
        settings = {"HUB_APPS__A__UPSTREAM": healthy.url, "HUB_APPS__B__UPSTREAM": f"http://127.0.0.1:{port}"}
        yield hub_cluster.node("hub", port=None, **settings), port


async def seconds_of(client: httpx.AsyncClient) -> list[float]:
    """How long each of many requests to the healthy app took; all of them have to succeed."""
    took = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        answer = await client.get(f"/apps/a/{number}")
        took.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
    return took


async def keep_asking(client: httpx.AsyncClient, seen: dict[int, int]) -> None:
    while True:
        try:
            status = (await client.get("/apps/b/x", timeout=2)).status_code
        except httpx.HTTPError:
            status = 0  # broken off, or given up
        seen[status] = seen.get(status, 0) + 1


async def beside(client: httpx.AsyncClient, other: httpx.AsyncClient) -> tuple[list[float], dict[int, int]]:
    """The healthy app's times while others keep asking app ``b``, and what those were answered."""
    seen: dict[int, int] = {}
    callers = [asyncio.create_task(keep_asking(other, seen)) for _ in range(OTHERS)]
    try:
        took = await seconds_of(client)
        while not seen:
            await asyncio.wait(callers, timeout=0.05)
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    return took, seen


def p99(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


@pytest.mark.parametrize(
    ("serve", "statuses"),
    [(None, {502, 503}), (hangs, {0, 503}), (garbage, {502, 503}), (breaks_off, {0, 503})],
    ids=["gone", "hangs", "garbage", "breaks-off"],
)
async def test_an_app_fails_alone(
    hub_cluster: Cluster, place: tuple[Node, int], serve: Serve | None, statuses: set[int]
) -> None:
    """Its own callers get 502, 503 or a broken answer; every request to the other app succeeds, as fast as before.

    "Before" is the same load with both apps well.
    """
    node, port = place
    token = (await log_in(hub_cluster, node)).token
    limits = httpx.Limits(max_connections=OTHERS + 2)
    async with (
        httpx.AsyncClient(base_url=node.url, cookies={"hub": token}) as client,
        httpx.AsyncClient(base_url=node.url, cookies={"hub": token}, limits=limits) as other,
    ):
        async with failing(port, healthy):

            async def is_well() -> bool:
                return (await other.get("/apps/b/x")).status_code == 200

            await eventually(is_well, 15)  # its breaker may still be open
            before, _ = await beside(client, other)
        async with failing(port, serve):
            after, seen = await beside(client, other)
    print(f"p99 {p99(before) * 1000:.1f} ms before, {p99(after) * 1000:.1f} ms beside a failing app: {seen}")
    assert seen.keys() <= statuses, seen
    assert p99(after) < SLOWEST_SECONDS
