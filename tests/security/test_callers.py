"""Threats from rights that are over: a live connection dies with whoever opened it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from tests.security.consoles import HIDDEN, Console, console_of, listed
from tests.support.answers import good, problem
from tests.support.contexts import context_token
from tests.support.echo import EchoApp
from tests.support.nodes import READER_KEY, Cluster, Node, sha256
from tests.support.ports import free_port
from tests.support.tabs import as_service, bearer, log_in, merge, open_with, resume_with

pytestmark = pytest.mark.edge


@pytest.fixture(scope="module")
def made(hub_cluster: Cluster) -> Console:
    """A node whose operators have an origin of their own."""
    return console_of(hub_cluster)


@pytest.fixture
async def console(made: Console) -> Console:
    """The same, with an operator who has just logged in."""
    await made.new_operator()
    return made


AT_ONCE_SECONDS, FEED_CUT_SECONDS = 1.0, 6.0


async def by_log_out(console: Console, node: Node) -> None:
    async with console.browser() as own:
        assert (await own.post("/auth/logout")).status_code == HTTPStatus.NO_CONTENT


async def by_a_service(console: Console, node: Node) -> None:
    async with as_service(node) as service:
        good(await service.delete(f"/v1/sessions/{console.operator.sid}"), 204)


async def by_the_provider(console: Console, node: Node) -> None:
    token = console.cluster.provider.logout_token(sub=console.operator.user)
    async with httpx.AsyncClient(base_url=node.url) as client:
        assert (await client.post("/auth/backchannel", data={"logout_token": token})).status_code == HTTPStatus.OK


async def by_a_service_with_the_feed_cut(console: Console, node: Node) -> None:
    await console.cut_the_feed()
    await by_a_service(console, node)


ROADS = {
    by_log_out: AT_ONCE_SECONDS,
    by_a_service: AT_ONCE_SECONDS,
    by_the_provider: AT_ONCE_SECONDS,
    by_a_service_with_the_feed_cut: FEED_CUT_SECONDS,
}


@pytest.mark.parametrize("road", ROADS, ids=lambda road: str(road.__name__))
async def test_72_an_operators_view_ends_with_the_operators_session(console: Console, node: Node, road: Any) -> None:
    """WebSocket and stream, ended at another node: closed in time, and nobody is told that the watched one ended."""
    watched = await console.watched("watched")
    async with AsyncExitStack() as stack:
        tab, events = await console.follow(stack, watched)
        own = await stack.enter_async_context(await open_with(console.node, bearer(watched.token)))
        await own.until_live()
        await road(console, node)
        await asyncio.gather(*(copy.until_closed(ROADS[road]) for copy in (tab, events)))
        assert (tab.code, events.is_whole) == (4501, True)
        assert "ended" not in [*tab.types, *events.types]
        await console.is_untouched(watched)
        assert own.code is None
        async with await open_with(console.door, console.proof, watched.sid) as again:
            assert ((await again.until_closed()).code, again.frames) == (4501, [])


async def test_72_an_operators_view_ends_when_the_log_in_is_no_longer_recent(console: Console) -> None:
    """``operator_max_age`` after ``auth_time``; the session goes on as one of an ordinary user."""
    watched = await console.watched("watched")
    await console.new_operator(left_seconds=2)
    async with AsyncExitStack() as stack:
        tab, events = await console.follow(stack, watched)
        await asyncio.gather(*(copy.until_closed(3.0) for copy in (tab, events)))
        assert (tab.code, events.is_whole) == (4503, True)
        assert "ended" not in [*tab.types, *events.types]
    async with console.browser() as client:
        good(await client.get("/v1/sessions/me"))
        problem(await client.get("/v1/sessions"), 403, "forbidden")
    await console.is_untouched(watched)


OLD_KEY = "hub_sk_reader_a-key-that-is-taken-away"


async def test_72_a_right_taken_away_ends_the_views_that_rest_on_it(hub_cluster: Cluster) -> None:
    """Rights are configuration, so a node starts anew: every view is closed, and comes back narrower or not at all."""
    port, everybody = free_port(), [sha256(READER_KEY), sha256(OLD_KEY)]
    with EchoApp() as app:
        stays = {"HUB_APPS__A__UPSTREAM": app.url}
        goes = {"HUB_APPS__A__SECTIONS__SECRET": "read", "HUB_SERVICES__READER__SECTIONS__SECRET": "read"}
        goes |= {"HUB_APPS__C__PREFIX": "/apps/c", "HUB_APPS__C__UPSTREAM": app.url}
        goes |= {"HUB_APPS__C__SECTIONS__SECRET": "read", "HUB_SERVICES__READER__KEY_SHA256": listed(*everybody)}
        before = hub_cluster.node(port=port, **stays, **goes)
        opened = await log_in(hub_cluster, before)
        async with as_service(before) as service:
            good(await merge(service, opened.sid, {"secret": HIDDEN}))
        proofs = [bearer(await context_token(before, opened, name)) for name in ("a", "c")]
        proofs += [bearer(key) for key in (READER_KEY, OLD_KEY)]
        copies = []
        async with AsyncExitStack() as stack:
            for proof in proofs:
                tab = await stack.enter_async_context(await open_with(before, proof, opened.sid))
                copies.append(await tab.until_live())
                assert tab.document["secret"] == HIDDEN
            await asyncio.to_thread(before.stop)
            for tab in copies:
                await tab.until_closed()
                assert (tab.code, "ended" in tab.types) == (4001, False)
        after = hub_cluster.node(port=port, **stays)
        for proof, copy, is_known in zip(proofs, copies, (True, False, True, False), strict=True):
            async with await resume_with(after, proof, copy, opened.sid) as again:
                await again.until(lambda tab: "live" in tab.types or tab.closed_at is not None)
                if is_known:
                    assert (again.frames[0]["type"], again.frames[0].get("reason")) == ("snapshot", "view")
                    assert HIDDEN not in str(again.frames)
                else:
                    assert (again.code, again.frames) == (4501, [])
            async with httpx.AsyncClient(base_url=after.url, headers=proof) as client:
                assert (await client.get(f"/v1/sessions/{opened.sid}/document")).status_code == (
                    200 if is_known else 401
                )
