"""Operators follow other people's sessions live: masked, unseen, from the console's pages only."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.security.roads import in_browser
from tests.support.answers import good, problem
from tests.support.event_tabs import open_events, stream_client
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Hearing, Opened, bearer, log_in, merge, open_tab, open_with, resume_with

pytestmark = pytest.mark.edge


@pytest.fixture
async def olga(hub_cluster: Cluster, node: Node) -> Opened:
    """An operator's session."""
    return await log_in(hub_cluster, node, "olga", groups=["operators"])


@pytest.fixture
async def streams() -> AsyncIterator[httpx.AsyncClient]:
    """For event streams."""
    async with stream_client() as client:
        yield client


def page(node: Node, opened: Opened) -> dict[str, str]:
    """What a page of this node sends with the cookie."""
    return {"Cookie": f"hub={opened.token}", "Origin": node.url}


async def test_an_operator_follows_masked_over_both_roads(
    node: Node, olga: Opened, opened: Opened, service: httpx.AsyncClient, streams: httpx.AsyncClient
) -> None:
    """Every section, its shape, and who changed it; what history and the document say, over WebSocket and events."""
    before = Hearing()
    async with (
        await open_with(node, page(node, olga), opened.sid) as tab,
        await open_events(streams, node, page(node, olga), opened.sid) as events,
    ):
        for copy in (tab, events):
            await copy.until_live()
            before.document, before.position, before.view = copy.document, copy.position, copy.view
            assert copy.frames[0]["session"]["user"] == "ada"
        good(await merge(service, opened.sid, {"secret": {"Canary Street 1": [4711, True]}}))
        done = good(await merge(service, opened.sid, {"secret": {"pin": 4711}}))
        for copy in (tab, events):
            await copy.until(lambda copy: copy.position == done["position"])
            assert copy.frames[-1]["actor"] == "service:billing"
            assert not [word for word in ("Canary", "4711", "Ada") if word in str(copy.frames)]
        async with in_browser(node, olga) as console:
            assert tab.document == events.document == good(await console.get(f"/v1/sessions/{opened.sid}/document"))
        async with await resume_with(node, page(node, olga), before, opened.sid) as again:
            await again.until_live()
            assert (again.types, again.document) == (["change", "change", "live"], tab.document)


async def test_the_watched_do_not_know(hub_cluster: Cluster, node: Node, olga: Opened, opened: Opened) -> None:
    """Operators are not among the connections, and take nobody's place; they see who is."""
    async with await open_tab(node, opened.token, query="?presence=1") as tab:
        await tab.until(lambda tab: "presence" in tab.types)
        async with await open_with(node, page(node, olga), opened.sid, "?presence=1") as watching:
            await watching.until(lambda watching: "presence" in watching.types)
            seen = [frame for frame in watching.frames if frame["type"] == "presence"][-1]["connections"]
            assert len(seen) == 1
            async with in_browser(node, olga) as console:
                assert good(await console.get(f"/v1/sessions/{opened.sid}"))["connections"] == 1
        assert tab.types.count("presence") == 1


async def test_only_the_cookie_of_a_page_makes_an_operator(
    hub_cluster: Cluster, node: Node, olga: Opened, opened: Opened, streams: httpx.AsyncClient
) -> None:
    """Not the token by itself, not a page elsewhere; a ticket is for the own session."""
    async with await open_with(node, bearer(olga.token), opened.sid) as tab:
        assert (await tab.until_closed()).code == 4503
    with pytest.raises(InvalidStatus) as refused:
        await open_with(node, page(node, olga) | {"Origin": "http://evil.test"}, opened.sid)
    assert refused.value.response.status_code == 403
    async with in_browser(node, olga) as console:
        ticket = good(await console.post("/v1/sessions/me/tickets"), 201)["ticket"]
        path = f"/v1/sessions/{opened.sid}/events"
        problem(await console.get(path, headers={"Origin": "http://evil.test"}), 403, "csrf")
    offered = ("hub.v1", f"hub.ticket.{ticket}")
    async with await open_with(node, {"Origin": node.url}, opened.sid, subprotocols=offered) as tab:
        assert (await tab.until_closed()).code == 4503
    async with await open_with(node, page(node, olga), opened.sid[:17] + "A" * 22) as tab:
        assert (await tab.until_closed()).code == 4503


async def test_an_operator_whose_session_is_over_hears_nothing_of_the_watched_one(
    hub_cluster: Cluster, node: Node, olga: Opened, opened: Opened, service: httpx.AsyncClient
) -> None:
    """4501 without ``ended``, which would be taken for the watched session's; 401 for a stream. Told of the own one."""
    good(await service.delete(f"/v1/sessions/{olga.sid}"), 204)
    async with await open_with(node, page(node, olga), opened.sid) as tab:
        await tab.until_closed()
        assert (tab.code, tab.frames) == (4501, [])
    async with await open_with(node, page(node, olga), olga.sid) as tab:
        await tab.until_closed()
        assert (tab.code, tab.types) == (4500, ["ended"])
    async with httpx.AsyncClient(base_url=node.url, headers=page(node, olga)) as client:
        problem(await client.get(f"/v1/sessions/{opened.sid}/events"), 401, "session_ended")
        assert (await client.get("/v1/sessions/me/events")).status_code == 204
