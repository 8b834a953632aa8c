"""Rows of the table about clients that come back: never after an end, and not all at once after a node has left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import binaries
from tests.support.answers import good
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Opened, as_service, log_in, open_tab

pytestmark = pytest.mark.edge

SCRIPT = Path(__file__).with_name("clients.js")
WINDOW_MS = 1000
MANY_SESSIONS, MANY_TABS = 8, 8
PER_SESSION = 8  # of the tests' configuration
ONCE = 2  # a ticket and a connection


@asynccontextmanager
async def clients(node: Node, opened: Sequence[Opened], tabs: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """The JavaScript client in a process of its own, live."""
    tokens = json.dumps([each.token for each in opened])
    program = [binaries.node(), "--experimental-websocket", "--no-warnings", str(SCRIPT), node.url, tokens, str(tabs)]
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    try:
        assert await line_of(process) == "live"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line_of(process: asyncio.subprocess.Process) -> str:
    """What it says next."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def facts_of(process: asyncio.subprocess.Process) -> list[dict[str, Any]]:
    """What became of each tab."""
    facts: list[dict[str, Any]] = json.loads(await line_of(process))
    return facts


async def test_32_a_client_whose_session_has_ended_never_asks_again(hub_cluster: Cluster, node: Node) -> None:
    """After 4500 a day passes without one attempt: no connection, no ticket, no timer that is still set."""
    opened = await log_in(hub_cluster, node)
    async with clients(node, [opened], 3) as process, as_service(node) as service:
        good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
        facts = await facts_of(process)
    assert facts == [{"name": "ended", "code": 4500, "after_ms": None, "timers": 0, "asked": ONCE}] * 3


async def test_32_a_tab_that_was_one_too_many_does_not_push_out_another(hub_cluster: Cluster, node: Node) -> None:
    """After 4504 it stays away: nobody ends what the other began, for ever."""
    opened = await log_in(hub_cluster, node)
    async with clients(node, [opened], 1) as process, AsyncExitStack() as stack:
        for _ in range(PER_SESSION):
            await stack.enter_async_context(await open_tab(node, opened.token))
        facts = await facts_of(process)
    assert facts == [{"name": "closed", "code": 4504, "after_ms": None, "timers": 0, "asked": ONCE}]


async def test_32_clients_of_a_node_that_leaves_come_back_spread_over_a_window(hub_cluster: Cluster) -> None:
    """After 4001 each waits for a moment of its own within the window the hub names, then tries once."""
    leaving = hub_cluster.node()
    sessions = [await log_in(hub_cluster, leaving, f"scattered-{number}") for number in range(MANY_SESSIONS)]
    async with clients(leaving, sessions, MANY_TABS) as process:
        await asyncio.to_thread(leaving.stop)
        facts = await facts_of(process)
    assert len(facts) == MANY_SESSIONS * MANY_TABS
    assert {(each["name"], each["code"], each["asked"]) for each in facts} == {("waiting", 4001, ONCE + 1)}
    waits = [each["after_ms"] for each in facts]
    assert 0 <= min(waits) <= max(waits) <= WINDOW_MS
    for quarter in range(4):
        share = [wait for wait in waits if quarter <= 4 * wait / WINDOW_MS < quarter + 1]
        assert len(share) >= 2, f"{len(share)} of {len(waits)} clients in quarter {quarter}: {sorted(waits)}"
