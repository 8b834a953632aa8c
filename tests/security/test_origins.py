"""Threats from other origins: pages elsewhere that use the user's cookie, and tickets that fall into wrong hands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from websockets.exceptions import InvalidStatus

from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node
from tests.support.security_log import SecurityLog
from tests.support.tabs import MERGE, Opened, Tab, as_user, log_in, open_with
from tests.support.waiting import eventually

pytestmark = pytest.mark.edge

TICKETS = "/v1/sessions/me/tickets"
LISTED = "http://page.test"


def foreign_origins(node: Node) -> Iterator[str | None]:
    """What no page of the hub sends."""
    yield from (None, "null", "", "http://evil.test", "https://app.example.evil", f"{node.url}.evil.test")
    yield from (f"https://127.0.0.1:{node.port}", f"http://127.0.0.1:{node.port + 1}", "http://127.0.0.1")
    yield from (f"http://localhost:{node.port}", f"{node.url}/", f"{node.url} {LISTED}", f"{LISTED}.evil.test")
    yield from ("https://page.test", "http://page.test:8080", "http://sub.page.test", "HTTP://PAGE.TEST", "file://")


def browser(opened: Opened, origin: str | None) -> dict[str, str]:
    """The headers of a page of ``origin`` in the browser that holds the cookie."""
    return {"Cookie": f"hub={opened.token}", **({} if origin is None else {"Origin": origin})}


async def commands_about(cluster: Cluster, sid: str, act: Any) -> list[str]:
    """What the store is asked about a session while ``act`` runs."""
    async with Redis.from_url(cluster.store_url) as store, store.monitor() as monitor:
        await act()
        async with Redis.from_url(cluster.store_url) as other:
            await other.echo("that-was-all")
        heard = []
        while "that-was-all" not in (command := str((await monitor.next_command())["command"])):
            heard.append(command)
    return [command for command in heard if sid in command]


async def test_37_a_page_elsewhere_opens_no_live_connection(hub_cluster: Cluster, node: Node) -> None:
    """403 before anything is accepted, whatever the Origin nearly is; nothing is read; each is one security event."""
    opened = await log_in(hub_cluster, node)
    log = SecurityLog(hub_cluster, node)
    origins = list(foreign_origins(node))

    async def try_all() -> None:
        for origin in origins:
            with pytest.raises(InvalidStatus) as refused:
                await open_with(node, browser(opened, origin))
            assert refused.value.response.status_code == 403
            assert json.loads(refused.value.response.body or b"")["code"] == "csrf"

    assert await commands_about(hub_cluster, opened.sid, try_all) == []
    assert log.names() == ["csrf_refused" if origin is None else "malicious_cors" for origin in origins]


async def test_37_a_page_elsewhere_opens_no_event_stream(hub_cluster: Cluster, node: Node) -> None:
    """The same for server-sent events, where ``Sec-Fetch-Site`` may stand in for a missing Origin, and only so."""
    opened = await log_in(hub_cluster, node)
    stream = "/v1/sessions/me/events"
    async with httpx.AsyncClient(base_url=node.url) as client:
        for origin in foreign_origins(node):
            problem(await client.get(stream, headers=browser(opened, origin)), 403, "csrf")
        for site in ("cross-site", "same-site", "none"):
            headers = browser(opened, None) | {"Sec-Fetch-Site": site}
            problem(await client.get(stream, headers=headers), 403, "csrf")
        same = browser(opened, None) | {"Sec-Fetch-Site": "same-origin"}
        async with client.stream("GET", stream, headers=same) as answer:
            assert answer.status_code == 200


async def test_37_pages_of_the_hub_and_listed_ones_are_let_in(hub_cluster: Cluster, node: Node) -> None:
    """The control: the exact origins are accepted, and then the store is asked."""
    opened = await log_in(hub_cluster, node)
    for origin in (node.url, LISTED):

        async def enter(origin: str = origin) -> None:
            async with await open_with(node, browser(opened, origin)) as tab:
                await tab.until_live()

        assert await commands_about(hub_cluster, opened.sid, enter)


PUBLIC = {("POST", "/v1/sessions"), ("POST", "/auth/backchannel")}  # no cookie is looked at
FOR_PROXIES = "/auth/verify"  # changes nothing, and is not there without a proxy's key
BODIED = ("POST", "PUT", "PATCH", "DELETE")
BODIES = {"PATCH": (MERGE, b'{"cart": {"n": 1}}'), "PUT": ("application/json", b"1")}


async def unsafe_routes(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Every unsafe method of every route that a cookie can stand for, from the hub's own description."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    found = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    unsafe = {(method, path) for method, path in found if method in BODIED and path != FOR_PROXIES}
    assert unsafe > PUBLIC
    return sorted(unsafe - PUBLIC)


def attempts(node: Node) -> Iterator[dict[str, str]]:
    """What a page elsewhere can make a browser send, and what a page here must not forget."""
    own, header = {"Origin": node.url}, {"X-Hub-CSRF": "1"}
    yield {}
    yield header  # no word of where it comes from
    yield own
    yield own | {"X-Hub-CSRF": "true"}
    yield own | header | {"Sec-Fetch-Site": "cross-site"}
    yield own | header | {"Sec-Fetch-Site": "same-site"}
    for origin in ("http://evil.test", "null", f"http://127.0.0.1:{node.port + 1}", f"https://127.0.0.1:{node.port}"):
        yield header | {"Origin": origin}
    for site in ("cross-site", "same-site", "none"):
        yield header | {"Sec-Fetch-Site": site}
    for form in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        yield {"Origin": "http://evil.test", "Content-Type": form}
        yield {"Sec-Fetch-Site": "cross-site", "Content-Type": form}
        yield own | {"Content-Type": form}


async def test_38_a_cookie_alone_changes_nothing(hub_cluster: Cluster, node: Node) -> None:
    """Every unsafe method of every route × what forms, ``no-cors`` fetches and sibling sites can send: 403 ``csrf``,
    one security event each, and nothing is done."""
    opened = await log_in(hub_cluster, node)
    async with httpx.AsyncClient(base_url=node.url, headers={"Cookie": f"hub={opened.token}"}) as client:
        routes, log = await unsafe_routes(client), SecurityLog(hub_cluster, node)
        for method, path in routes:
            where = path.format_map({"sid": "me", "user": "me", "user:path": "me", "section": "cart"})
            media_type, body = BODIES.get(method, ("application/json", b"{}"))
            for attempt in attempts(node):
                headers = {"Content-Type": media_type, "If-Match": "*"} | attempt
                answer = await client.request(method, where, headers=headers, content=body)
                assert answer.status_code == 403, (method, path, attempt, answer.text)
                assert answer.json()["code"] == "csrf", (method, path, attempt, answer.text)
                assert log.names() in (["csrf_refused"], ["malicious_cors"]), (method, path, attempt)
        still = good(await client.get("/v1/sessions/me"))
    assert (still["status"], still["position"]) == ("live", opened.position)


async def test_38_the_same_calls_work_from_a_page_of_the_hub(hub_cluster: Cluster, node: Node) -> None:
    """The control: with the header and the own Origin they do what they say."""
    opened = await log_in(hub_cluster, node)
    headers = {"Cookie": f"hub={opened.token}", "Origin": node.url, "X-Hub-CSRF": "1"}
    async with httpx.AsyncClient(base_url=node.url, headers=headers) as client:
        media_type, body = BODIES["PATCH"]
        document = "/v1/sessions/me/document"
        good(await client.patch(document, content=body, headers={"Content-Type": media_type}))
        good(await client.put(f"{document}/cart", content=b"2", headers={"If-Match": "*"} | JSON))
        good(await client.delete(f"{document}/cart"))
        good(await client.post(TICKETS), 201)
        assert (await client.post("/auth/logout")).status_code == 204
        problem(await client.get("/v1/sessions/me"), 401, "session_ended")


JSON = {"Content-Type": "application/json"}


async def made(user: httpx.AsyncClient, origin: str | None = LISTED, **wish: str) -> str:
    """A ticket made by a page of ``origin``."""
    headers = {} if origin is None else {"Origin": origin}
    ticket: str = good(await user.post(TICKETS, headers=headers, json=wish), 201)["ticket"]
    return ticket


async def shown(node: Node, ticket: str, origin: str | None = LISTED, query: str = "") -> Tab:
    """A tab that shows a ticket and nothing else."""
    headers = {} if origin is None else {"Origin": origin}
    return await open_with(node, headers, "me", query, ("hub.v1", f"hub.ticket.{ticket}"))


async def code_of(tab: Tab) -> int | None:
    """What it is closed with; it must hear nothing."""
    async with tab:
        await tab.until(lambda tab: tab.code is not None or bool(tab.frames))
        assert tab.frames == [], "a ticket that must not count has opened a connection"
        return tab.code


async def is_gone(store: Any, name: bytes | str) -> bool:
    """Whether the store has forgotten a key."""
    return not await store.exists(name)


async def test_41_a_ticket_counts_once_and_for_half_a_minute(hub_cluster: Cluster, node: Node) -> None:
    """Its second use is refused and told as a replay; the store forgets it after 30 s, and then it is nothing."""
    opened = await log_in(hub_cluster, node)
    async with as_user(node, opened) as user, Redis.from_url(hub_cluster.store_url) as store:
        before = set(await store.keys("hub:once:ticket:*"))
        ticket = await made(user)
        (kept,) = set(await store.keys("hub:once:ticket:*")) - before
        assert 0 < await store.pttl(kept) <= 30_000
        async with await shown(node, ticket) as tab:
            await tab.until_live()
            assert tab.frames[0]["session"]["sid"] == opened.sid
        log = SecurityLog(hub_cluster, node)
        assert await code_of(await shown(node, ticket)) == 4501
        assert log.names() == ["authn_token_reuse"]
        late = await made(user)
        (kept,) = set(await store.keys("hub:once:ticket:*")) - before - {kept}
        await store.pexpire(kept, 1)
        await eventually(lambda: is_gone(store, kept))
        assert await code_of(await shown(node, late)) == 4501
        assert log.names() == ["authn_login_fail"]


async def test_41_a_ticket_counts_for_its_origin_and_its_app_only(hub_cluster: Cluster, node: Node) -> None:
    """From another page it is refused and lost; it shows what its app may see, whatever is asked for."""
    opened = await log_in(hub_cluster, node)
    async with as_user(node, opened) as user:
        for origin in ("http://evil.test", "null", node.url, None):
            ticket = await made(user)
            assert await code_of(await shown(node, ticket, origin)) == 4501
            assert await code_of(await shown(node, ticket)) == 4501
        assert await code_of(await shown(node, await made(user, app="a"), query="?app=b")) == 4503
        async with await shown(node, await made(user, app="a")) as tab:
            await tab.until_live()
            assert tab.document.keys() == {"profile"}


async def test_41_a_ticket_is_in_no_url_log_or_store(hub_cluster: Cluster) -> None:
    """In the query it counts for nothing; a node that logs everything does not log it; the store knows a hash."""
    loud = hub_cluster.node(HUB_LOG_LEVEL="debug", HUB_ACCESS_LOG="true")
    opened = await log_in(hub_cluster, loud)
    async with as_user(loud, opened) as user:
        in_query, used = await made(user), await made(user)
    async with await open_with(loud, {"Origin": LISTED}, "me", f"?ticket={in_query}", ("hub.v1",)) as tab:
        await tab.until_closed()
        assert (tab.code, tab.frames) == (4501, [])
    async with Redis.from_url(hub_cluster.store_url) as store:
        names = b" ".join([name async for name in store.scan_iter("hub:once:*")])
    async with await shown(loud, used) as tab:
        await tab.until_live()
    assert await code_of(await shown(loud, used)) == 4501
    written = hub_cluster.log(loud)
    assert "authn_token_reuse" in written
    for ticket in (in_query, used):
        assert ticket not in written
        assert ticket.encode() not in names
