"""What the gateway tells the metrics of a request: once, by app and status, and whose failure it was."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from hub.telemetry import metrics
from tests.proxy.stage import QUICK, app, echo, free_port, hub, raw_server, request, served
from tests.proxy.test_websocket import ORIGIN, app_server, tab
from tests.support.counted import counted, forget, observed
from tests.support.waiting import eventually

NAVIGATES = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document", "Sec_Fetch_Site": "none"}


@pytest.fixture(autouse=True)
def from_nothing() -> None:
    forget(metrics.PROXY_REQUESTS, metrics.PROXY_FAILURES, metrics.PROXY_SECONDS, metrics.ANSWERS)


async def test_an_answer_of_the_app_counts_by_its_class_and_is_no_failure_of_the_gateway() -> None:
    """Its own 500 is its own; the time ends where the answer begins."""

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"app's own"})

    async with served(echo) as port, hub(app(port)) as stage:
        assert (await stage.get("/apps/a/x", **stage.cookie)).status == 200
    async with served(fail) as port, hub(app(port)) as stage:
        assert (await stage.get("/apps/a/x", **stage.cookie)).status == 500
    assert counted(metrics.PROXY_REQUESTS) == {("a", "2xx"): 1, ("a", "5xx"): 1}
    assert counted(metrics.PROXY_FAILURES) == {}
    assert counted(metrics.ANSWERS) == {("app", "2xx"): 1, ("app", "5xx"): 1}
    assert sum(observed(metrics.PROXY_SECONDS, "a").counts) == 2


@pytest.mark.parametrize("navigates", [False, True])
async def test_a_refusal_counts_once_as_problem_and_as_page(navigates: bool) -> None:
    """An app that is not there: 5xx for the caller, and a failure of that kind."""
    headers = NAVIGATES if navigates else {}
    async with hub(app(free_port())) as stage:
        assert (await stage.get("/apps/a/x", **stage.cookie, **headers)).status == 503
    assert counted(metrics.PROXY_REQUESTS) == {("a", "5xx"): 1}
    assert counted(metrics.PROXY_FAILURES) == {("a", "upstream_unavailable"): 1}


async def test_a_log_in_page_is_no_failure() -> None:
    """Nobody is known: 302 for a person, 401 for a script."""
    async with served(echo) as port, hub(app(port)) as stage:
        assert (await stage.get("/apps/a/x", **NAVIGATES)).status == 302
        assert (await stage.get("/apps/a/x")).status == 401
    assert counted(metrics.PROXY_REQUESTS) == {("a", "3xx"): 1, ("a", "4xx"): 1}
    assert counted(metrics.PROXY_FAILURES) == {}


async def test_an_answer_that_breaks_off_counts_as_begun_and_as_failed() -> None:
    """The status was out already."""

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()

    async with raw_server(break_off) as port, hub(app(port)) as stage:
        with pytest.raises(ValueError, match="bytes came"):
            await stage.get("/apps/a/x", **stage.cookie)
    assert counted(metrics.PROXY_REQUESTS) == {("a", "2xx"): 1}
    assert counted(metrics.PROXY_FAILURES) == {("a", "upstream_failed"): 1}


async def test_a_caller_who_leaves_before_the_answer_is_gone() -> None:
    """No time is counted for an answer that never began."""
    asked = asyncio.Event()

    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        while (await receive())["type"] != "http.disconnect":
            continue

    async with served(never) as port, hub(app(port), timings=QUICK) as stage:
        _, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.write(request("GET", "/apps/a/x", stage.cookie))
        await asked.wait()
        writer.close()
        found: dict[Any, int] = {}

        async def is_counted() -> bool:
            found.update(metrics.PROXY_REQUESTS.take())
            return bool(found)

        await eventually(is_counted)
    assert found == {("a", "gone"): 1}
    assert sum(observed(metrics.PROXY_SECONDS, "a").counts) == 0


async def test_a_websocket_counts_when_it_is_taken() -> None:
    """1xx: it was switched."""
    async with app_server() as port, hub(app(port)) as stage, tab(stage, stage.cookie | ORIGIN) as socket:
        await socket.send("x")
        assert await socket.recv() == "x"
        assert counted(metrics.PROXY_REQUESTS) == {("a", "1xx"): 1}
    assert counted(metrics.PROXY_REQUESTS) == {}
