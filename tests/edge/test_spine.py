"""The whole way of a change: in over HTTP or a tab, through the store, out to every tab, on two nodes."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.nodes import Cluster, Node
from tests.support.tabs import Opened, as_service, as_user, log_in, merge, open_tab

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def nodes(hub_cluster: Cluster, node: Node) -> tuple[Node, Node]:
    """Two nodes on one store."""
    return node, hub_cluster.node()


async def test_a_commit_through_either_node_reaches_every_tab(hub_cluster: Cluster, nodes: tuple[Node, Node]) -> None:
    """Three tabs over two nodes hear the same changes in the same order."""
    one, two = nodes
    opened = await log_in(hub_cluster, one)
    async with (
        await open_tab(one, opened.token) as first,
        await open_tab(two, opened.token) as second,
        await open_tab(two, opened.token) as third,
        as_service(one) as service_one,
        as_service(two) as service_two,
    ):
        tabs = (first, second, third)
        for tab in tabs:
            await tab.until_live()
        assert (await merge(service_one, opened.sid, {"profile": {"name": "Ada"}})).status_code == 200
        assert (await merge(service_two, opened.sid, {"cart": {"items": [1]}})).status_code == 200
        await first.send({"type": "commit", "id": "a" * 20, "patch": {"preferences": {"theme": "dark"}}})
        assert (await first.answer("a" * 20))["type"] == "committed"
        for tab in tabs:
            await tab.until(lambda tab: tab.position.startswith("4."))
            assert tab.document["profile"] == {"name": "Ada"}
            assert tab.document["cart"] == {"items": [1]}
            assert tab.document["preferences"] == {"theme": "dark"}
            assert tab.types.count("snapshot") == 1
        assert len({tab.position for tab in tabs}) == 1


async def test_an_end_reaches_every_tab_and_nothing_follows(hub_cluster: Cluster, nodes: tuple[Node, Node]) -> None:
    """``ended`` is the last frame on every tab of both nodes, the close is 4500, later use is 401 and 410."""
    one, two = nodes
    opened = await log_in(hub_cluster, one)
    async with (
        await open_tab(one, opened.token) as first,
        await open_tab(two, opened.token) as second,
        await open_tab(two, opened.token) as third,
        as_user(one, opened) as user,
        as_service(two) as service,
    ):
        tabs = (first, second, third)
        for tab in tabs:
            await tab.until_live()
        started = asyncio.get_running_loop().time()
        assert (await service.delete(f"/v1/sessions/{opened.sid}")).status_code == 204
        for tab in tabs:
            await tab.until_closed(1.0)
            assert (tab.code, tab.types[-1]) == (4500, "ended")
            assert tab.frames[-1]["reason"] == "revoked"
        assert asyncio.get_running_loop().time() - started < 1.0
        own = await user.get("/v1/sessions/me/document")
        assert (own.status_code, own.json()["code"]) == (401, "session_ended")
        other = await service.get(f"/v1/sessions/{opened.sid}/document")
        assert (other.status_code, other.json()["code"], other.json()["reason"]) == (410, "session_ended", "revoked")
        assert (await merge(service, opened.sid, {"profile": {}})).status_code == 410


async def test_a_universal_log_out_ends_all_sessions_of_a_user_only(
    hub_cluster: Cluster, nodes: tuple[Node, Node]
) -> None:
    """Both of Grace's sessions end, Linus stays."""
    one, two = nodes
    hers: list[Opened] = [await log_in(hub_cluster, node, "grace-of-the-spine") for node in nodes]
    his = await log_in(hub_cluster, one, "linus-of-the-spine")
    async with await open_tab(two, hers[1].token) as tab, await open_tab(one, his.token) as other:
        await tab.until_live()
        await other.until_live()
        async with as_user(one, hers[0]) as user:
            answer = await user.delete("/v1/users/me/sessions")
        assert answer.json() == {"ended": 2}
        await tab.until_closed(1.0)
        assert tab.frames[-1]["reason"] == "logged_out"
        async with as_user(two, his) as user:
            assert (await user.get("/v1/sessions/me")).status_code == 200
        assert other.code is None
