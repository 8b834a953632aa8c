"""An app on a host of its own in a real browser: one log-in leads in, and its page sees what the app may see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Page

from tests.support.answers import good
from tests.support.app_hosts import Place, two_app_hosts
from tests.support.demo import chromium
from tests.support.nodes import Cluster
from tests.support.tabs import as_service, log_in, merge

pytestmark = pytest.mark.browser

SEEN = """async () => {
  const { connectSession } = await import('/client/index.js')
  window.hub = connectSession()
  return Object.keys(await window.hub.ready()).sort()
}"""
TOLD = (
    "async () => { await window.hub.until(doc => doc.profile?.n === 2, { timeoutMs: 5000 }); return window.hub.get() }"
)
OUT = """async () => {
  const over = new Promise(resolve => window.hub.on('ended', resolve))
  await window.hub.logout()
  await over
  return window.hub.get() ?? null
}"""


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster) -> Iterator[Place]:
    with two_app_hosts(hub_cluster) as made:
        yield made


async def text_of(page: Page) -> str:
    return await page.locator("body").inner_text()


async def test_a_page_on_a_host_of_its_own_is_let_in_and_sees_its_own_sections(
    hub_cluster: Cluster, place: Place
) -> None:
    """Over the hub and back by itself; live, with the client's defaults; log-out there is log-out everywhere."""
    opened = await log_in(hub_cluster, place.node)
    async with as_service(place.node) as service, chromium() as browser:
        good(await merge(service, opened.sid, {"profile": {"n": 1}, "cart": {"n": 1}, "secret": {"n": 1}}))
        context = await browser.new_context()
        await context.add_cookies([{"name": "hub", "value": opened.token, "url": place.url("public")}])
        one, two = await context.new_page(), await context.new_page()
        for page, name in ((one, "one"), (two, "two")):
            await page.goto(f"{place.url(name)}/deep?x=1")
            assert page.url == f"{place.url(name)}/deep?x=1"
            assert '"x-hub-user", "ada"' in (await text_of(page)).lower()
        assert await one.evaluate(SEEN) == ["profile"]
        assert await two.evaluate(SEEN) == ["cart"]
        good(await merge(service, opened.sid, {"profile": {"n": 2}, "cart": {"n": 2}}))
        assert await one.evaluate(TOLD) == {"profile": {"n": 2}}
        assert await one.evaluate(OUT) is None
        await two.goto(f"{place.url('two')}/deep")
        assert two.url.startswith(hub_cluster.provider.issuer)  # signed out there too: on to the log-in
