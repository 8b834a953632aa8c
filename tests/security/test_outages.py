"""Threats from a store that is away: nobody is logged out by it, and nothing is served without it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.support.answers import good, problem
from tests.support.contexts import as_app, context_token
from tests.support.echo import EchoApp
from tests.support.log_ins import browser_log_in
from tests.support.nodes import Cluster, Node, cluster, sha256
from tests.support.tabs import Opened, Tab, as_service, as_user, bearer, log_in, merge, open_tab, open_with
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(90)]

SECONDS = 15.0
VERIFY_KEY = "a-key-of-the-proxy"
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}


@dataclass
class Place:
    """A cluster whose store may be stopped, and its node in front of two apps; ``open`` takes anybody."""

    cluster: Cluster
    node: Node

    @asynccontextmanager
    async def without_store(self) -> AsyncIterator[None]:
        """The store is stopped, and started again on the same data."""
        self.cluster.store.stop()
        try:
            yield
        finally:
            assert self.cluster.store.start() == self.cluster.store_url
        async with httpx.AsyncClient(base_url=self.node.url) as client:

            async def is_ready() -> bool:
                return (await client.get("/readyz")).status_code == 200

            await eventually(is_ready, SECONDS)

    def page(self) -> dict[str, str]:
        """What a page of the hub sends along."""
        return {"Origin": self.node.url, "X-Hub-CSRF": "1"}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with cluster() as made, EchoApp() as echo:
        settings: dict[str, Any] = {"HUB_APPS__A__UPSTREAM": echo.url}
        settings["HUB_APPS__A__VERIFY_KEY_SHA256"] = sha256(VERIFY_KEY)
        settings |= {"HUB_APPS__OPEN__UPSTREAM": echo.url, "HUB_APPS__OPEN__PREFIX": "/apps/open"}
        yield Place(made, made.node(**settings, HUB_APPS__OPEN__ANONYMOUS="true"))


CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", "/v1/sessions/me", {}),
    ("GET", "/v1/sessions/me/document", {}),
    ("GET", "/v1/sessions/me/document?sections=cart", {}),
    ("GET", "/v1/sessions/me/changes?since=1.00000000", {}),
    ("GET", "/v1/sessions/me/events", {"headers": {"Sec-Fetch-Site": "same-origin"}}),
    ("GET", "/v1/users/me/sessions", {}),
    ("PATCH", "/v1/sessions/me/document", {"json": {"cart": {"n": 2}}}),
    ("PUT", "/v1/sessions/me/document/cart", {"json": 1, "headers": {"If-Match": "*"}}),
    ("DELETE", "/v1/sessions/me/document/cart", {}),
    ("DELETE", "/v1/sessions/me", {}),
    ("DELETE", "/v1/users/me/sessions", {}),
    ("POST", "/v1/sessions/me/tickets", {}),
    ("GET", "/apps/a/", {}),
    ("GET", "/apps/a/page", {"headers": NAVIGATION}),
    ("POST", "/apps/a/form", {"content": b"x"}),
    ("GET", "/apps/open/", {}),
    ("GET", "/apps/open/page", {"headers": NAVIGATION}),
    ("GET", "/auth/verify?app=a", {"headers": {"X-Hub-Verify-Key": VERIFY_KEY}}),
    ("GET", "/auth/verify?app=a&redirect=1", {"headers": {"X-Hub-Verify-Key": VERIFY_KEY, **NAVIGATION}}),
)
"""Everything that rests on a session, as the browser and its proxy call it."""


async def assert_unserved(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """503 from the hub itself, told as something that passes: no 401, no page of an app, no cookie set or cleared."""
    for method, path, more in CALLS:
        media_type = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        given = {**headers, **media_type, **more.get("headers", {})}
        rest = {name: value for name, value in more.items() if name != "headers"}
        answer = await client.request(method, path, headers=given, **rest)
        assert answer.status_code == 503, (method, path, answer.status_code, answer.text)
        assert answer.headers["X-Hub-Response"] == "1", path
        assert int(answer.headers["Retry-After"]) >= 1, path
        assert not {"set-cookie", "clear-site-data", "x-hub-session", "location"} & answer.headers.keys(), path


async def test_49_an_outage_logs_nobody_out(place: Place) -> None:
    """503 on every road, no cookie touched; then the same cookie and token are good and the open sockets go on."""
    node = place.node
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(httpx.AsyncClient(base_url=node.url))
        await browser_log_in(place.cluster, node, browser)
        native = await log_in(place.cluster, node)
        good(await merge(browser, "me", {"cart": {"n": 1}}, **place.page()))
        cookie = {"Cookie": f"hub={browser.cookies['hub']}"}
        tabs = [
            await stack.enter_async_context(await open_with(node, {**cookie, "Origin": node.url})),
            await stack.enter_async_context(await open_tab(node, native.token)),
        ]
        for tab in tabs:
            await tab.until_live()
        async with place.without_store():
            for tab in tabs:
                await tab.until(lambda tab: modes(tab)[-1:] == ["maintenance"], SECONDS)
            await assert_unserved(browser, place.page())
            await assert_unserved(browser, place.page() | bearer(native.token))
            assert (await browser.get("/healthz")).status_code == 200
        for tab in tabs:
            await tab.until(lambda tab: modes(tab)[-1:] == ["live"], SECONDS)
        assert {"Cookie": f"hub={browser.cookies['hub']}"} == cookie
        assert good(await browser.get("/v1/sessions/me/document"))["cart"] == {"n": 1}
        assert (await browser.get("/apps/a/")).json()["method"] == "GET"
        assert (await browser.get("/auth/verify?app=a", headers={"X-Hub-Verify-Key": VERIFY_KEY})).status_code == 200
        done = good(await merge(browser, "me", {"cart": {"n": 2}}, **place.page()))
        await tabs[0].until(lambda tab: tab.position == done["position"], SECONDS)
        async with as_user(node, native) as user:
            last = good(await merge(user, "me", {"cart": {"n": 3}}))
        await tabs[1].until(lambda tab: tab.position == last["position"], SECONDS)
        assert [tab.code for tab in tabs] == [None, None]


def modes(tab: Tab) -> list[str]:
    """The modes a tab was told."""
    return [frame["mode"] for frame in tab.frames if frame["type"] == "mode"]


async def assert_closed_to(node: Node, headers: dict[str, str], *subprotocols: str) -> None:
    """No live connection is opened: 503 before it is accepted."""
    with pytest.raises(InvalidStatus) as refused:
        await open_with(node, headers, subprotocols=("hub.v1", *subprotocols))
    assert refused.value.response.status_code == 503


async def test_50_nothing_is_served_without_the_store(place: Place) -> None:
    """A session that ended just before, and one that lives: cookie, token, ticket and context token get nothing, though
    this node remembers both; an app that takes anybody does not take them for nobody. Then the end still stands."""
    node = place.node
    async with AsyncExitStack() as stack:
        gone, alive = await log_in(place.cluster, node, "grace"), await log_in(place.cluster, node, "ada")
        tokens = [await context_token(node, opened, "a") for opened in (gone, alive)]
        tab = await stack.enter_async_context(await open_tab(node, gone.token))
        follower = await stack.enter_async_context(await open_tab(node, alive.token))
        for each in (tab, follower):
            await each.until_live()
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=node.url))
        apps = [await stack.enter_async_context(as_app(node, token)) for token in tokens]
        for app in apps:
            good(await merge(app, "me", {"profile": {"n": 1}}))
        tickets = [await ticket_of(node, opened) for opened in (gone, alive)]
        service = await stack.enter_async_context(as_service(node))
        assert (await service.delete(f"/v1/sessions/{gone.sid}")).status_code == 204
        async with place.without_store():
            await tab.until_closed()
            assert (tab.code, tab.types[-1]) == (4500, "ended")
            for opened, app, ticket in zip((gone, alive), apps, tickets, strict=True):
                cookie = {"Cookie": f"hub={opened.token}"}
                await assert_unserved(client, place.page() | cookie)
                await assert_unserved(client, bearer(opened.token))
                for path in ("document", "changes?since=1.00000000", "events"):
                    problem(await app.get(f"/v1/sessions/me/{path}"), 503, "maintenance")
                known = {"If-None-Match": f'"{follower.position}"'}
                problem(await app.get("/v1/sessions/me/document", headers=known), 503, "maintenance")
                problem(await merge(app, "me", {"profile": {"n": 2}}), 503, "maintenance")
                problem(await service.get(f"/v1/sessions/{opened.sid}/document"), 503, "maintenance")
                await assert_closed_to(node, {**cookie, "Origin": node.url})
                await assert_closed_to(node, bearer(opened.token))
                await assert_closed_to(node, {}, f"hub.ticket.{ticket}")
            assert (await client.get("/apps/open/")).status_code == 200  # the control: who shows nothing is nobody
        async with as_user(node, gone) as user, as_user(node, alive) as other:
            problem(await user.get("/v1/sessions/me/document"), 401, "session_ended")
            assert good(await other.get("/v1/sessions/me/document"))["profile"] == {"n": 1}


async def ticket_of(node: Node, opened: Opened) -> str:
    """A ticket, not used yet."""
    async with as_user(node, opened) as user:
        ticket: str = good(await user.post("/v1/sessions/me/tickets"), 201)["ticket"]
    return ticket
