"""The site of ``docker-compose.yml``, from its own files: two nodes behind nginx, lost and replaced under the tabs."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from hub.store import keys
from tests.deploy.composed import Composed, Front, composed
from tests.deploy.visitors import Asking, Person, Visitor, asking
from tests.support.nodes import Node
from tests.support.waiting import eventually

pytestmark = pytest.mark.proxies

TABS = 8
SPREAD_SECONDS = 10.0
LONGEST_DRAIN_SECONDS = 30.0
WINDOW_SECONDS = 5.0  # what the close reason of a drained node names
MARGIN_SECONDS = 2.0


class Site:
    """What runs: nginx, and the nodes by name."""

    def __init__(self, made: Composed) -> None:
        self.made = made
        self.nodes: dict[str, Node] = {name: made.node(name) for name in ("hub-1", "hub-2")}
        self.front: Front = made.front()

    def holders(self, sid: str) -> list[str]:
        """The node of each connection that the store has noted."""
        with self.made.store() as store:
            return [json.loads(about)["node"] for about in store.hgetall(keys.presence(sid)).values()]

    def replace(self, name: str) -> None:
        """Start a node that is gone again, at its old address."""
        self.nodes[name] = self.made.node(name)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with composed("valkey", "idp", "app-a", "app-b", "desk") as made:
        yield Site(made)


@asynccontextmanager
async def visitors(site: Site) -> AsyncIterator[tuple[Person, list[Visitor]]]:
    """Ada, logged in, with tabs on both nodes."""
    ada = Person(site.front)
    assert (await ada.log_in()).status_code == 200
    sid = (await ada.client.get("/v1/sessions/me")).json()["sid"]
    async with asyncio.timeout(SPREAD_SECONDS):
        tabs = await _opened(site, ada, sid)
        while len(set(site.holders(sid))) < len(site.nodes):
            await _closed(site, sid, tabs)  # nginx still leaves a node out that was gone a moment ago
            tabs = await _opened(site, ada, sid)
    try:
        yield ada, tabs
    finally:
        await asyncio.gather(*(tab.leave() for tab in tabs))
        await ada.client.aclose()


async def _opened(site: Site, person: Person, sid: str) -> list[Visitor]:
    """Open all tabs, until the store has noted who holds them."""
    tabs = [await Visitor(person).until_live() for _ in range(TABS)]
    await eventually(lambda: _are_noted(site, sid, TABS))
    return tabs


async def _closed(site: Site, sid: str, tabs: list[Visitor]) -> None:
    await asyncio.gather(*(tab.leave() for tab in tabs))
    await eventually(lambda: _are_noted(site, sid, 0))


async def _are_noted(site: Site, sid: str, count: int) -> bool:
    return len(site.holders(sid)) == count


async def missed_nothing(made: Asking, tabs: list[Visitor]) -> None:
    """Every tab heard every acknowledged change exactly once and in order, without starting over."""
    last = made.acknowledged[-1]
    for tab in tabs:
        await tab.until(last, 10)
        assert tab.names == made.acknowledged
        assert tab.snapshots == 1


async def test_a_log_in_over_tls_and_a_commit_that_reaches_every_tab(site: Site) -> None:
    """From the desk over the provider and back; pages of all apps; tabs of both nodes show a commit."""
    async with visitors(site) as (ada, tabs):
        for app in ("a", "b", "desk"):
            assert (await ada.client.get(f"/apps/{app}/")).status_code == 200, app
        assert (await ada.client.get("/auth/verify?app=a")).status_code == 404
        assert (await ada.rename("Ada of the Site", "once")).status_code == 200
        for tab in tabs:
            await tab.until("Ada of the Site", 5)
            assert (tab.names, tab.snapshots) == (["Ada of the Site"], 1)
        cookie = next(cookie for cookie in ada.client.cookies.jar if cookie.name == "__Host-hub")
        assert cookie.secure


async def test_the_provider_ends_the_session_at_both_nodes(site: Site) -> None:
    """The back channel comes over TLS through nginx, and no tab comes back."""
    async with visitors(site) as (ada, tabs):
        provider = site.front.url.replace("localhost", "127.0.0.1")
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": provider}
        said = await ada.client.post(f"{provider}/end_session/confirmed", content="", headers=form)
        assert "You are signed out" in said.text
        for tab in tabs:
            assert tab.tab is not None
            await tab.tab.until_closed()
            assert tab.tab.code == 4500


# asyncio leaves to the collector what was shaking hands over TLS when the other side was killed
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_killed_node_costs_its_tabs_a_moment_and_nothing_else(site: Site) -> None:
    """kill -9 under load: all tabs live on the other node, every acknowledged change heard once."""
    async with visitors(site) as (ada, tabs):
        async with asking(ada) as made:
            await eventually(lambda: _has(made, 20), 10)
            site.nodes["hub-1"].kill()
            await eventually(lambda: _have_returned(tabs), 10)
            enough = len(made.acknowledged) + 20
            await eventually(lambda: _has(made, enough), 10)
        await missed_nothing(made, tabs)
        assert {one.code for tab in tabs for one in tab.returns} == {1006}
        assert max(one.seconds for tab in tabs for one in tab.returns) < 5
        assert set(made.statuses) <= {200, 502}  # 502: a commit that was sent, and never answered; its key settles it
    site.replace("hub-1")


async def test_nodes_that_were_all_gone_are_asked_again_at_once(site: Site) -> None:
    """nginx has left out both; the first request after one is back is answered, and nobody was signed out."""
    ada = Person(site.front)
    assert (await ada.log_in()).status_code == 200
    for node in site.nodes.values():
        node.kill()
    made = Asking(ada)
    reading = asyncio.create_task(made.read())
    await eventually(lambda: _was_told(made, 502))
    await asyncio.to_thread(site.replace, "hub-1")
    assert (await ada.client.get("/v1/sessions/me")).status_code == 200
    await asyncio.to_thread(site.replace, "hub-2")
    made.stopping.set()
    await reading
    await ada.client.aclose()
    assert set(made.statuses) == {200, 502}


async def test_a_rolling_restart_answers_every_request_and_takes_every_tab_along(site: Site) -> None:
    """SIGTERM to one node after the other, each replaced, under load: only 200s, tabs back within the window."""
    async with visitors(site) as (ada, tabs):
        async with asking(ada) as made:
            for name in ("hub-1", "hub-2"):
                before, node = len(made.acknowledged), site.nodes[name]
                slow = await _begun(site, node, ada)
                node.process.send_signal(signal.SIGTERM)
                assert await _finished(slow) == 200
                assert await asyncio.to_thread(node.process.wait, LONGEST_DRAIN_SECONDS) == 0
                await asyncio.to_thread(site.replace, name)
                await eventually(lambda: _all_live(tabs), WINDOW_SECONDS + MARGIN_SECONDS)
                assert len(made.acknowledged) > before
        heard = [name for name in tabs[0].names if name == "slow"]
        await _missed_nothing_but(made, tabs, "slow")
        returns = [one for tab in tabs for one in tab.returns]
        assert {one.code for one in returns} == {4001}
        assert len(returns) >= TABS
        assert max(one.seconds for one in returns) < WINDOW_SECONDS + MARGIN_SECONDS
        assert set(made.statuses) == {200}
        assert made.unanswered == 0
        assert len(heard) <= 2


async def _missed_nothing_but(made: Asking, tabs: list[Visitor], other: str) -> None:
    """The same, where somebody else committed ``other`` in between."""
    for tab in tabs:
        await tab.until(made.acknowledged[-1], 10)
        tab.names = [name for name in tab.names if name != other]
    await missed_nothing(made, tabs)


async def _was_told(made: Asking, status: int) -> bool:
    return status in made.statuses


async def _has(made: Asking, count: int) -> bool:
    return len(made.acknowledged) >= count


async def _have_returned(tabs: list[Visitor]) -> bool:
    """Whether some lost their connection, and all have one."""
    return any(tab.returns for tab in tabs) and await _all_live(tabs)


async def _all_live(tabs: list[Visitor]) -> bool:
    return all(tab.tab is not None and tab.tab.closed_at is None for tab in tabs)


Slow = tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]


async def _begun(site: Site, node: Node, person: Person) -> Slow:
    """A commit straight to a node, of which half is still to come."""
    body = json.dumps({"profile": {"name": "slow"}}).encode()
    host = site.front.url.removeprefix("https://")
    lines = [
        "PATCH /v1/sessions/me/document HTTP/1.1",
        f"Host: {host}",
        "X-Hub-CSRF: 1",
        f"Content-Length: {len(body)}",
    ]
    lines += ["Content-Type: application/merge-patch+json", *(f"{k}: {v}" for k, v in person.headers.items())]
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write("\r\n".join([*lines, "", ""]).encode() + body[:5])
    await writer.drain()
    return reader, writer, body[5:]


async def _finished(slow: Slow) -> int:
    """The status, once the rest was sent."""
    reader, writer, rest = slow
    writer.write(rest)
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1])
