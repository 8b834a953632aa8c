"""The apps' servers: pages rendered for the verified caller, actions committed as the app or the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import app_a.app
import app_b.app
import desk.app
import httpx
import pytest
from fastapi import FastAPI
from shared.context import ContextReader
from shared.hub_api import HubApi
from shared.hub_app import HubApp

from tests.demo.fake_hub import SERVICE_KEY, FakeHub, context_token

PUBLIC_URL = "http://localhost:8000"


def created(hub: FakeHub, name: str) -> FastAPI:
    """The app of this name, talking to the fake hub."""
    transport = httpx.ASGITransport(hub.app())
    api = HubApi(hub_url="http://127.0.0.1:8000", public_url=PUBLIC_URL, transport=transport)
    context = ContextReader(issuer=PUBLIC_URL, app=name, fetch_keys=api.keys)
    standing = HubApp(name=name, prefix=f"/apps/{name}", api=api, context=context)
    if name == "desk":
        return desk.app.create_app(standing, SERVICE_KEY)
    create = app_a.app.create_app if name == "a" else app_b.app.create_app
    return create(standing)


@asynccontextmanager
async def visiting(hub: FakeHub, name: str, *, with_document: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose requests look as if they came through the hub."""
    token = context_token(PUBLIC_URL, name, document=hub.document if with_document else None, pos=hub.position)
    headers = {"X-Hub-Session": token, "Accept": "text/html"}
    transport = httpx.ASGITransport(created(hub, name))
    async with httpx.AsyncClient(transport=transport, base_url="http://upstream", headers=headers) as http:
        yield http


@pytest.mark.parametrize("name", ["a", "b", "desk"])
@pytest.mark.parametrize("with_document", [True, False])
async def test_a_page_greets_the_person_of_the_token(name: str, with_document: bool) -> None:
    """The name is in the page before any script runs, from the token or from the hub."""
    hub = FakeHub(document={"profile": {"name": "Countess <Ada>", "language": "de"}, "preferences": {"theme": "dark"}})
    async with visiting(hub, name, with_document=with_document) as http:
        page = await http.get(f"/apps/{name}/")
        assert page.status_code == httpx.codes.OK
        assert "Countess &lt;Ada&gt;" in page.text
        assert 'data-theme="dark"' in page.text
        assert page.headers["cache-control"] == "no-store"
        assert "'unsafe-inline'" not in page.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["a", "b", "desk"])
@pytest.mark.parametrize("token", [None, "a.b.c", "another app's"])
async def test_without_a_good_token_there_is_no_page(name: str, token: str | None) -> None:
    """The plain headers alone convince nobody."""
    hub = FakeHub()
    headers = {"X-Hub-User": "ada", "X-Hub-Sid": "demo-session", "Accept": "text/html"}
    if token:
        headers["X-Hub-Session"] = context_token(PUBLIC_URL, "other") if " " in token else token
    transport = httpx.ASGITransport(created(hub, name))
    async with httpx.AsyncClient(transport=transport, base_url="http://upstream", headers=headers) as http:
        assert (await http.get(f"/apps/{name}/")).status_code == httpx.codes.UNAUTHORIZED
        action = {"a": "suggest-name", "b": "checkout", "desk": "billing-credit"}[name]
        refused = await http.post(f"/apps/{name}/actions/{action}")
        assert refused.status_code == httpx.codes.UNAUTHORIZED
        assert refused.headers["content-type"] == "application/problem+json"
        assert hub.revision == 1


async def test_account_suggests_names_as_the_app() -> None:
    """Each asking gives another name, committed with the context token."""
    hub = FakeHub()
    names = []
    for _ in range(2):
        async with visiting(hub, "a", with_document=False) as http:
            assert (await http.post("/apps/a/actions/suggest-name")).status_code == httpx.codes.NO_CONTENT
        names.append(hub.document["profile"]["name"])
    assert names == ["Ada the Curious", "Ada the Methodical"]


async def test_account_resets_the_looks() -> None:
    hub = FakeHub(
        document={"preferences": {"theme": "dark", "accent": "moss", "density": "compact", "newsletter": True}}
    )
    async with visiting(hub, "a") as http:
        await http.post("/apps/a/actions/reset-looks")
    assert hub.document["preferences"] == {"theme": "system", "accent": "iris", "newsletter": True}


async def test_shop_places_an_order_once() -> None:
    """The cart becomes an order; a second click finds nothing to order and says so."""
    line = {"sku": "mug", "name": "Mug", "price_cents": 1800, "quantity": 2}
    hub = FakeHub(document={"cart": {"items": [line], "credits": {"c": {"label": "x", "amount_cents": 100}}}})
    async with visiting(hub, "b") as http:
        assert (await http.post("/apps/b/actions/checkout")).status_code == httpx.codes.NO_CONTENT
        assert hub.document["cart"]["items"] == []
        assert "credits" not in hub.document["cart"]
        assert hub.document["cart"]["last_order"]["total_cents"] == 3500
        again = await http.post("/apps/b/actions/checkout")
        assert (again.status_code, again.json()["code"]) == (409, "empty_cart")


async def test_desk_commits_as_the_billing_service() -> None:
    """A credit appears in the caller's cart; the key never leaves the server."""
    hub = FakeHub()
    async with visiting(hub, "desk") as http:
        assert (await http.post("/apps/desk/actions/billing-credit")).status_code == httpx.codes.NO_CONTENT
        assert len(hub.document["cart"]["credits"]) == 1
        assert SERVICE_KEY not in (await http.get("/apps/desk/")).text


@pytest.mark.parametrize(("name", "action"), [("a", "suggest-name"), ("b", "checkout"), ("desk", "billing-credit")])
async def test_an_ended_session_is_said_as_such(name: str, action: str) -> None:
    """The page learns the code and leaves."""
    hub = FakeHub()
    async with visiting(hub, name) as http:
        await hub.end("revoked")
        refused = await http.post(f"/apps/{name}/actions/{action}")
        assert (refused.status_code, refused.json()["code"]) == (401, "session_ended")


@pytest.mark.parametrize("document", [{"profile": 3}, {"profile": {"name": 5, "language": "tlh"}}, {"preferences": []}])
async def test_an_odd_document_does_not_break_a_page(document: dict[str, object]) -> None:
    """A document is data from elsewhere."""
    for name in ("a", "b", "desk"):
        async with visiting(FakeHub(document=document), name) as http:
            assert (await http.get(f"/apps/{name}/")).status_code == httpx.codes.OK


async def test_the_address_without_slash_leads_to_the_page() -> None:
    async with visiting(FakeHub(), "a") as http:
        answer = await http.get("/apps/a")
        assert (answer.status_code, answer.headers["location"]) == (308, "/apps/a/")
        assert (await http.get("/apps/a/static/account.js")).headers["cache-control"] == "no-cache"
        assert (await http.get("/apps/a/static/../app.py")).status_code == httpx.codes.NOT_FOUND
