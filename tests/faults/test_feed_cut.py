"""The feed is cut just before an end: its tabs are closed all the same, within six seconds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis import Redis

from tests.support.answers import good
from tests.support.nodes import Cluster, Node
from tests.support.tabs import as_service, as_user, log_in, merge, open_tab

pytestmark = pytest.mark.faults


def cut(hub_cluster: Cluster) -> int:
    """Cut every node's feed; how many there were."""
    outside: Any = Redis.from_url(hub_cluster.store_url)
    try:
        return int(outside.execute_command("CLIENT", "KILL", "TYPE", "pubsub"))
    finally:
        outside.close()


async def test_an_end_whose_message_was_lost_closes_the_tab(hub_cluster: Cluster, node: Node) -> None:
    """Cut, then ended by another node: ``ended`` and 4500 in time."""
    other = hub_cluster.node()
    opened = await log_in(hub_cluster, node)
    async with await open_tab(node, opened.token) as tab, as_service(other) as service:
        await tab.until_live()
        assert cut(hub_cluster) >= 2
        started = asyncio.get_running_loop().time()
        good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
        await tab.until_closed(6.0)
        assert asyncio.get_running_loop().time() - started < 6.0
        assert (tab.code, tab.types[-1]) == (4500, "ended")


async def test_a_change_whose_message_was_lost_arrives(hub_cluster: Cluster, node: Node) -> None:
    """The same for a commit: the copy catches up by the change alone, without a snapshot."""
    opened = await log_in(hub_cluster, node)
    async with await open_tab(node, opened.token) as tab, as_user(node, opened) as user:
        await tab.until_live()
        cut(hub_cluster)
        done = good(await merge(user, "me", {"cart": {"n": 1}}))
        await tab.until(lambda tab: tab.position == done["position"], 6.0)
        assert tab.document["cart"] == {"n": 1}
        assert tab.types.count("snapshot") == 1
