"""SIGTERM: tabs are sent elsewhere, requests finish, the process leaves with 0."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.support.nodes import Cluster, Node
from tests.support.tabs import Tab, as_user, log_in, open_tab, resume_tab

pytestmark = pytest.mark.edge


async def leave(node: Node) -> int:
    """Send SIGTERM; the exit code."""
    node.process.send_signal(signal.SIGTERM)
    return await asyncio.to_thread(node.process.wait, 30)


async def test_sigterm_sends_tabs_elsewhere(hub_cluster: Cluster, node: Node) -> None:
    """4001 with a jitter window in ms, no ``ended``; on another node they resume without a snapshot."""
    leaving = hub_cluster.node()
    opened = await log_in(hub_cluster, leaving)
    tabs: list[Tab] = [await (await open_tab(leaving, opened.token)).until_live() for _ in range(3)]
    exit_code = await leave(leaving)
    assert exit_code == 0
    for tab in tabs:
        await tab.until_closed()
        assert tab.code == 4001
        assert 0 < int(tab.reason) <= 60_000
        assert "ended" not in tab.types
        async with await (await resume_tab(node, opened.token, tab)).until_live() as again:
            assert again.types == ["live"]
    async with as_user(node, opened) as user:
        assert (await user.get("/v1/sessions/me")).status_code == 200


async def test_sigterm_ends_event_streams(hub_cluster: Cluster) -> None:
    """An open stream does not keep the process; it ends without ``ended``."""
    leaving = hub_cluster.node()
    opened = await log_in(hub_cluster, leaving)
    async with as_user(leaving, opened) as user, user.stream("GET", "/v1/sessions/me/events") as stream:
        parts = stream.aiter_text()
        assert "snapshot" in await anext(parts)
        exit_code = await leave(leaving)
        assert exit_code == 0
        rest = "".join([part async for part in parts])
        assert "ended" not in rest
