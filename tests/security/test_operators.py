"""Threats around operators: who is one, what one sees, how long that lasts, and log-ins forced on people."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.security.consoles import HIDDEN, Console, console_of, page
from tests.security.roads import in_browser
from tests.security.secrets_of_a_session import secret_session
from tests.support.answers import good, problem
from tests.support.contexts import as_app, context_token
from tests.support.echo import EchoApp
from tests.support.log_ins import browser_log_in, is_live
from tests.support.nodes import READER_KEY, Cluster, Node
from tests.support.security_log import SecurityLog
from tests.support.tabs import Opened, as_service, as_user, bearer, log_in, open_with

pytestmark = pytest.mark.edge


@pytest.fixture(scope="module")
def made(hub_cluster: Cluster) -> Iterator[Console]:
    """A node whose operators have an origin of their own, in front of an app."""
    with EchoApp() as app:
        yield console_of(hub_cluster, HUB_APPS__A__UPSTREAM=app.url)


@pytest.fixture
async def console(made: Console) -> Console:
    """The same, with an operator who has just logged in."""
    await made.new_operator()
    return made


# 44

OTHERS, NO = (404, "session_not_found"), (403, "forbidden")
Refusal = tuple[int, str]


@dataclass(frozen=True)
class Ask:
    """Something operators may; how users and apps are refused, and services without ``may_*`` (``None``: they may,
    within their sections)."""

    method: str
    path: str
    user: Refusal
    service: Refusal | None
    query: str = ""
    body: Any = None

    async def by(self, client: httpx.AsyncClient, watched: Opened) -> httpx.Response:
        """Ask about somebody's session."""
        path = (self.path + self.query).format(sid=watched.sid, user=watched.user, position=watched.position)
        return await client.request(self.method, path, json=self.body)


FOR_OPERATORS = [
    Ask("get", "/v1/sessions", NO, NO),
    Ask("get", "/v1/users/{user}/sessions", NO, NO),
    Ask("delete", "/v1/users/{user}/sessions", NO, NO),
    Ask("post", "/v1/sessions/{sid}/reveal", NO, NO, body={"reason": "to see whether it works"}),
    Ask("get", "/v1/sessions/{sid}/document", NO, NO, "?position={position}"),
    Ask("get", "/v1/sessions/{sid}/document", OTHERS, None),
    Ask("get", "/v1/sessions/{sid}", OTHERS, None),
    Ask("delete", "/v1/sessions/{sid}", OTHERS, NO),
    Ask("get", "/v1/sessions/{sid}/changes", OTHERS, None, "?since={position}"),
]
STREAMS = {("get", "/v1/sessions/{sid}/live"), ("get", "/v1/sessions/{sid}/events")}
FOR_EVERYBODY = {
    "/": {"get"},
    "/openapi.json": {"get"},
    "/docs": {"get"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/.well-known/jwks.json": {"get"},
    "/client/{path}": {"get"},
    "/auth/assets/{name}": {"get"},
    "/auth/login": {"get"},
    "/auth/callback": {"get"},
    "/auth/handover": {"get"},
    "/auth/enter": {"get"},
    "/auth/signed-out": {"get"},
    "/auth/logout": {"post"},
    "/auth/backchannel": {"post"},
    "/auth/verify": {"get", "post", "put", "patch", "delete"},
    "/v1/sessions": {"post"},
    "/v1/sessions/me/tickets": {"post"},
    "/v1/commits": {"post"},
    "/v1/sessions/{sid}/document": {"patch"},
    "/v1/sessions/{sid}/document/{section}": {"put", "delete"},
}


async def test_44_every_route_is_known_to_be_for_operators_or_not(node: Node) -> None:
    """A new one has to be put into one of these lists, and if it is for operators, is refused to others below."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    described = {(method, path) for path, methods in paths.items() for method in methods}
    everybody = {(method, path) for path, methods in FOR_EVERYBODY.items() for method in methods}
    operators = {(ask.method, ask.path) for ask in FOR_OPERATORS} | STREAMS
    assert not everybody & operators
    assert described == everybody | operators


async def test_44_an_operator_may(console: Console) -> None:
    """What the others are refused below is there to be had."""
    async with console.browser() as olga:
        for ask in FOR_OPERATORS:
            answer = await ask.by(olga, await console.watched("had"))
            assert answer.status_code in (200, 204), (ask, answer.text)


PEOPLE = ["ordinary", "operator by token", "operator long ago", "operator at the public origin"]


async def person(console: Console, who: str) -> tuple[httpx.AsyncClient, dict[str, str]]:
    """Somebody who is no operator: a client, and the headers that prove it elsewhere."""
    groups = ["staff"] if who == "ordinary" else ["operators"]
    claims: dict[str, Any] = {"auth_time": 1_700_000_000} if who == "operator long ago" else {}
    door = console.node if who == "operator at the public origin" else console.door
    opened = await log_in(console.cluster, door, "nosy", groups=groups, **claims)
    if who == "operator by token":
        return as_user(door, opened), bearer(opened.token)
    return in_browser(door, opened), page(door, opened)


@pytest.mark.parametrize("who", PEOPLE)
async def test_44_whoever_is_no_operator_is_refused_everywhere(console: Console, who: str) -> None:
    """Other claims, no browser, an old log-in, another origin than the operators' own: nothing, and nothing happens."""
    watched = await console.watched("private")
    client, proof = await person(console, who)
    log = SecurityLog(console.cluster, console.node)
    async with client:
        for ask in FOR_OPERATORS:
            problem(await ask.by(client, watched), *ask.user)
        problem(await client.get(f"/v1/sessions/{watched.sid}/events"), *OTHERS)
        problem(await client.get("/v1/sessions/me/document", params={"position": watched.position}), *NO)
        problem(await client.post("/v1/sessions/me/reveal", json={"reason": "my own"}), *NO)
    door = console.node if who == "operator at the public origin" else console.door
    async with await open_with(door, proof, watched.sid) as tab:
        assert ((await tab.until_closed()).code, tab.frames) == (4503, [])
    assert {"authz_fail", "malicious_direct_reference"} <= set(log.names())
    await console.is_untouched(watched)


async def test_44_apps_and_services_are_no_operators(console: Console) -> None:
    """An app stays in its session, a service in its sections; neither lists, ends, goes back in time or reveals."""
    watched = await console.watched("private")
    token = await context_token(console.node, await log_in(console.cluster, console.node, "nosy"), "a")
    async with as_app(console.node, token) as app, as_service(console.node, READER_KEY) as service:
        for ask in FOR_OPERATORS:
            problem(await ask.by(app, watched), *ask.user)
            answer = await ask.by(service, watched)
            if ask.service is not None:
                problem(answer, *ask.service)
            else:
                good(answer)
                assert not [word for word in (HIDDEN, "secret", "billing") if word in answer.text], answer.text
    await console.is_untouched(watched)


# 45


async def test_45_an_operator_sees_no_secret_of_anybody(console: Console) -> None:
    """Not in any answer, nor live: neither values nor names that users have put there, nor what proves or seals."""
    words = await secret_session(console)
    log = SecurityLog(console.cluster, console.node)
    async with AsyncExitStack() as stack:
        tab, events = await console.follow(stack, words.session)
        olga = await stack.enter_async_context(console.browser())
        await words.put_again()
        seen = [answer async for answer in words.asked(olga)]
        await asyncio.gather(*(copy.until_closed() for copy in (tab, events)))
        assert (tab.types[-1], len(seen)) == ("ended", 9)
    heard = [json.dumps(copy.frames, ensure_ascii=False).encode() for copy in (tab, events)]
    for text in (*seen, *heard, log.text().encode()):
        assert words.in_(text) == [], text


async def test_45_a_reveal_shows_values_and_still_no_credential(console: Console) -> None:
    """The reason is in the history alone, and what was shown in no log."""
    words = await secret_session(console)
    log = SecurityLog(console.cluster, console.node)
    async with console.browser() as olga:
        shown = await olga.post(f"/v1/sessions/{words.session.sid}/reveal", json={"reason": words.reason})
        assert good(shown)["secret"]["token"] == "[secret]"
        assert words.in_(shown.content) == ["iban", "street"]
        told = await olga.get(f"/v1/sessions/{words.session.sid}/changes", params={"since": words.session.position})
    assert words.in_(told.content) == ["reason"]
    assert words.in_(log.text().encode()) == []


async def test_45_the_command_line_prints_no_credential(console: Console) -> None:
    """``hub audit`` is for whoever holds the key ring, and shows values; proofs and keys it does not, nor do lists."""
    words = await secret_session(console)
    sid = words.session.sid
    commands = [["sessions", "list", "--url", console.node.url], ["sessions", "show", sid, "--url", console.node.url]]
    commands += [["audit", "show", sid], ["audit", "verify", sid]]
    printed = await asyncio.gather(*(console.run(*command, "--json") for command in commands))
    assert [words.in_(text) for text in printed] == [[], [], ["iban", "street"], []]


# 73


async def test_73_a_page_elsewhere_forces_no_log_in_on_anybody(hub_cluster: Cluster, node: Node) -> None:
    """Who is signed in is sent on, with the session as it was and no log-in begun; an own page may ask for one."""
    foreign: list[dict[str, str]] = [{"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "none")]
    foreign += [{}, {"Referer": "http://evil.test/"}, {"Origin": "null"}, {"Referer": f"{node.url}.evil.test/"}]
    async with httpx.AsyncClient(base_url=node.url) as browser:
        token = await browser_log_in(hub_cluster, node, browser)
        for headers in foreign:
            for prompt in ({"prompt": "login"}, {"prompt": "select_account"}, {}):
                query = {"return_to": "/apps/a/x", **prompt}
                answer = await browser.get("/auth/login", params=query, headers=headers)
                assert (answer.status_code, answer.headers["Location"]) == (303, "/apps/a/x"), headers
                assert "Set-Cookie" not in answer.headers
        assert browser.cookies["hub"] == token
        assert await is_live(browser)
        same = {"Sec-Fetch-Site": "same-origin"}
        again = await browser.get("/auth/login", params={"prompt": "login"}, headers=same)
        assert (again.status_code, "prompt=login" in again.headers["Location"]) == (302, True)
        assert browser.cookies["hub"] == token
        assert await is_live(browser), "beginning a log-in ends nothing"
