"""The operators' own origin: its own cookie, no apps, no pages of other origins, and the whole log-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node
from tests.support.ports import free_port
from tests.support.tabs import open_with

pytestmark = pytest.mark.edge

LISTED = "http://page.test"


@pytest.fixture(scope="module")
def split(hub_cluster: Cluster) -> Node:
    """A node with two doors: 127.0.0.1 is public, localhost the operators'."""
    port = free_port()
    return hub_cluster.node(port=port, HUB_CONSOLE_URL=f"http://localhost:{port}")


def console_of(node: Node) -> str:
    return f"http://localhost:{node.port}"


def at_the_console(node: Node) -> Node:
    """The same node, met at its other door."""
    met = Node(node.process, node.port)
    met.url, met.ws_url = console_of(node), f"ws://localhost:{node.port}"
    return met


async def opened_at(cluster: Cluster, url: str, user: str = "olga") -> tuple[str, str]:
    """Sid and token of an operator's session opened at one door."""
    async with httpx.AsyncClient(base_url=url) as client:
        token = cluster.provider.token(user, groups=["operators"])
        said = good(await client.post("/v1/sessions", headers={"Authorization": f"Bearer {token}"}), 201)
    return said["sid"], said["token"]


@asynccontextmanager
async def browser(url: str, token: str, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    shown = {"Sec-Fetch-Site": "same-origin", "X-Hub-CSRF": "1", "Cookie": f"hub={token}", **headers}
    async with httpx.AsyncClient(base_url=url, headers=shown) as client:
        yield client


async def test_an_operator_is_one_at_the_consoles_origin_only(hub_cluster: Cluster, split: Node) -> None:
    """The same person with a session of the public origin lists nothing there."""
    _, public = await opened_at(hub_cluster, split.url)
    _, console = await opened_at(hub_cluster, console_of(split))
    async with browser(console_of(split), console) as there, browser(split.url, public) as here:
        assert good(await there.get("/v1/sessions"))["sessions"]
        problem(await here.get("/v1/sessions"), 403, "forbidden")


async def test_only_its_own_cookie_counts(hub_cluster: Cluster, split: Node) -> None:
    """A session of one door is no session at the other: cookie or bearer."""
    _, public = await opened_at(hub_cluster, split.url)
    _, console = await opened_at(hub_cluster, console_of(split))
    for url, token in ((console_of(split), public), (split.url, console)):
        async with httpx.AsyncClient(base_url=url) as client:
            for proof in ({"Cookie": f"hub={token}"}, {"Authorization": f"Bearer {token}"}):
                problem(await client.get("/v1/sessions/me", headers=proof), 401, "unauthenticated")


async def test_pages_of_other_origins_do_not_act_there(hub_cluster: Cluster, split: Node) -> None:
    """The public origin is same-site, so its cookie would go along: the Origin rule refuses it."""
    sid, console = await opened_at(hub_cluster, console_of(split))
    for origin in (split.url, LISTED):
        foreign = {"Origin": origin, "Sec-Fetch-Site": "same-site"}
        async with browser(console_of(split), console, **foreign) as client:
            problem(await client.delete(f"/v1/sessions/{sid}"), 403, "csrf")
        with pytest.raises(InvalidStatus) as refused:
            await open_with(at_the_console(split), {"Cookie": f"hub={console}", "Origin": origin})
        assert refused.value.response.status_code == 403
    async with await open_with(at_the_console(split), {"Cookie": f"hub={console}", "Origin": console_of(split)}) as tab:
        await tab.until_live()
    async with browser(console_of(split), console, Origin=console_of(split)) as own:
        good(await own.delete(f"/v1/sessions/{sid}"), 204)


async def test_a_listed_page_reads_nothing_there(hub_cluster: Cluster, split: Node) -> None:
    """CORS is for the public origin; at the console no other page is answered readably."""
    for url, allowed in ((split.url, LISTED), (console_of(split), None)):
        async with httpx.AsyncClient(base_url=url) as client:
            answer = await client.get("/v1/sessions/me", headers={"Origin": LISTED})
            assert answer.headers.get("access-control-allow-origin") == allowed


async def test_no_app_runs_there(split: Node) -> None:
    """An app under a prefix would share the operators' origin; there is none, and ``/`` leads elsewhere."""
    async with httpx.AsyncClient(base_url=console_of(split)) as client:
        problem(await client.get("/apps/a/x"), 404, "not_found")
        assert (await client.get("/")).headers["location"] == "/docs"
    async with httpx.AsyncClient(base_url=split.url) as client:
        problem(await client.get("/apps/a/x"), 401, "unauthenticated")


async def test_a_log_in_comes_back_to_the_door_it_began_at(split: Node) -> None:
    """Each door has its own redirect URI, and a callback at the other door is refused."""
    async with httpx.AsyncClient() as client:
        for url, other in ((split.url, console_of(split)), (console_of(split), split.url)):
            begun = await client.get(f"{url}/auth/login")
            assert begun.status_code == 302, begun.text
            asked = parse_qs(urlsplit(begun.headers["location"]).query)
            assert asked["redirect_uri"] == [f"{url}/auth/callback"]
            cookie = begun.headers["set-cookie"].partition(";")[0]
            query = {"state": asked["state"][0], "code": "c"}
            answer = await client.get(f"{other}/auth/callback", params=query, headers={"Cookie": cookie})
            assert answer.status_code == 400
            assert "another address" in answer.text
