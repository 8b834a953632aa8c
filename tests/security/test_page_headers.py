"""Every page of the hub, in a real browser: the policy it has, and that it works under that policy."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.async_api import BrowserContext

from tests.security.places import Place
from tests.support.demo import chromium
from tests.support.nodes import Cluster
from tests.support.ports import free_port

pytestmark = [pytest.mark.edge, pytest.mark.browser]

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}
FRAME = {**NAVIGATION, "Sec-Fetch-Dest": "iframe"}
POLICY = {
    "default-src": {"'none'"},
    "style-src": {"'self'"},
    "img-src": {"'self'"},
    "base-uri": {"'none'"},
    "form-action": {"'self'"},
}
WATCH = """
window.refused = []
document.addEventListener('securitypolicyviolation', event => window.refused.push(event.violatedDirective))
"""
LOOK = """() => ({
  refused: window.refused,
  rules: [...document.styleSheets].reduce((count, sheet) => count + sheet.cssRules.length, 0),
  icon: document.querySelector('link[rel=icon]').href,
  scripts: document.scripts.length,
})"""


@dataclass(frozen=True)
class Shown:
    """A page: how one gets to see it, and what an OpenAPI path it belongs to."""

    target: str
    status: int
    of: str = ""
    headers: dict[str, str] = field(default_factory=lambda: NAVIGATION)
    is_signed_in: bool = False
    may_be_framed: bool = False


PAGES = (
    Shown("/docs", 200, "/docs"),
    Shown("/auth/login", 200, "/auth/login"),
    Shown("/auth/login?provider=nobody", 400, "/auth/login"),
    Shown("/auth/login?provider=other", 503, "/auth/login"),
    Shown("/auth/callback?state=x&code=y", 400, "/auth/callback"),
    Shown("/auth/signed-out?reason=idle", 200, "/auth/signed-out", may_be_framed=True),
    Shown("/auth/signed-out?reason=<script>", 200, "/auth/signed-out", may_be_framed=True),
    Shown("/auth/signed-out", 200, "/auth/signed-out", is_signed_in=True, may_be_framed=True),
    Shown("/auth/handover?app=a&state=x", 404, "/auth/handover"),
    Shown("/auth/enter?code=x&state=y", 404, "/auth/enter"),
    Shown("/apps/a/", 401, headers=FRAME, may_be_framed=True),
    Shown("/apps/a/", 503, is_signed_in=True, may_be_framed=True),
    Shown("/apps/a/%2e%2e/x", 400, is_signed_in=True, may_be_framed=True),
)


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster) -> Place:
    """A hub with a second provider, which is away, and apps that are away too."""
    gone = {f"HUB_IDENTITY_PROVIDERS__OTHER__{name}": value for name, value in (("CLIENT_ID", "hub"),)}
    gone["HUB_IDENTITY_PROVIDERS__OTHER__ISSUER"] = f"http://127.0.0.1:{free_port()}"
    return Place(hub_cluster, hub_cluster.node(port=free_port(), **gone), "hub")


@pytest.fixture
async def token(place: Place) -> str:
    """Of a session for the pages of somebody who is signed in."""
    async with place.browser() as browser:
        answer = await browser.post(
            "/v1/sessions", headers={"Authorization": f"Bearer {place.cluster.provider.token('ada')}"}
        )
        return str(answer.json()["token"])


async def get(place: Place, page: Shown, token: str) -> httpx.Response:
    """The page as it comes."""
    async with place.browser(**({"hub": token} if page.is_signed_in else {})) as browser:
        return await browser.get(page.target, headers=page.headers)


def directives(policy: str) -> dict[str, set[str]]:
    """A policy as directives and their sources."""
    return {name: set(sources) for name, *sources in (part.split() for part in policy.split(";"))}


async def test_every_page_forbids_what_it_does_not_need(place: Place, token: str) -> None:
    """No script, no inline style, no foreign source, no base, no frame but where a frame is meant; no sniffing."""
    for page in PAGES:
        answer = await get(place, page, token)
        assert answer.status_code == page.status, page
        if not answer.headers["content-type"].startswith("text/html"):
            assert answer.headers["content-type"] == "application/problem+json", page
            continue
        said = directives(answer.headers["content-security-policy"])
        assert {name: said.get(name) for name in POLICY} == POLICY, page
        assert said["frame-ancestors"] == ({"'self'"} if page.may_be_framed else {"'none'"}), page
        assert said.keys() == {*POLICY, "frame-ancestors"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", answer.text), page


async def test_all_pages_are_looked_at(place: Place) -> None:
    """Whatever the OpenAPI document says is a page is among them."""
    async with place.browser() as browser:
        described = (await browser.get("/openapi.json")).json()
    pages = {
        path
        for path, operations in described["paths"].items()
        for operation in operations.values()
        for answer in operation["responses"].values()
        if "text/html" in answer.get("content", {})
    }
    assert pages <= {page.of for page in PAGES}


@pytest.fixture
async def context(place: Place) -> AsyncIterator[BrowserContext]:
    """A browser that notes whatever a policy forbids."""
    async with chromium() as browser:
        made = await browser.new_context()
        await made.add_init_script(WATCH)
        yield made


async def test_every_page_works_under_its_policy(place: Place, token: str, context: BrowserContext) -> None:
    """The browser refuses nothing of it, and its style sheet and icon are there."""
    assert context.browser is not None
    for page in PAGES:
        if page.headers is FRAME:
            continue
        await context.clear_cookies()
        if page.is_signed_in:
            await context.add_cookies([{"name": "hub", "value": token, "url": place.node.url}])
        tab = await context.new_page()
        answer = await tab.goto(place.node.url + page.target)
        assert answer is not None
        if answer.headers["content-type"].startswith("text/html"):
            seen: dict[str, Any] = await tab.evaluate(LOOK)
            assert (seen["refused"], seen["scripts"]) == ([], 0), page
            assert seen["rules"] > 10, page
            icon = await context.request.get(seen["icon"])
            assert icon.status == 200
        await tab.close()
