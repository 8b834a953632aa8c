"""Apps on hosts of their own: a cookie for each, good for one session and one app, and a view that fits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.support.answers import good, problem
from tests.support.app_hosts import Browser, Place, cookie_at, signed_in, two_app_hosts
from tests.support.nodes import Cluster, Node
from tests.support.tabs import MERGE, as_service, merge, open_with

pytestmark = pytest.mark.edge


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster) -> Iterator[Place]:
    with two_app_hosts(hub_cluster) as made:
        yield made


@pytest.fixture
async def browser(place: Place) -> AsyncIterator[Browser]:
    made = Browser(place)
    yield made
    await made.client.aclose()


def echoed(answer: httpx.Response) -> Any:
    """What the app says it was sent."""
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_one_log_in_leads_into_every_app(hub_cluster: Cluster, place: Place, browser: Browser) -> None:
    """Each host gets a cookie of its own, all for one session; the app is told who, with its own token."""
    opened = await signed_in(hub_cluster, browser)
    for name in ("one", "two"):
        where, answer = await browser.go(f"{place.url(name)}/deep/page?x=1")
        assert where == f"{place.url(name)}/deep/page?x=1"
        told = {key.lower(): value for key, value in echoed(answer)["headers"]}
        assert (told["x-hub-user"], told["x-hub-sid"]) == ("ada", opened.sid)
    tokens = {opened.token, cookie_at(browser, "one"), cookie_at(browser, "two")}
    assert len(tokens) == 3


async def test_nobody_signed_in_is_led_to_the_provider(place: Place, browser: Browser) -> None:
    """App → hub → log-in, which knows where to come back to."""
    answer = await browser.get(f"{place.url('one')}/deep?x=1")
    answer = await browser.get(place.url("one") + answer.headers["location"])
    assert answer.headers["location"].startswith(f"{place.url('public')}/auth/handover?")
    answer = await browser.get(answer.headers["location"])
    assert urlsplit(answer.headers["location"]).path == "/auth/login"
    back = parse_qs(urlsplit(answer.headers["location"]).query)["return_to"][0]
    assert back.startswith("/auth/handover?app=one&state=")
    answer = await browser.get(place.url("public") + answer.headers["location"])
    assert answer.headers["location"].startswith(hub_issuer(answer))
    api = await browser.get(f"{place.url('one')}/data", **{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"})
    problem(api, 401, "unauthenticated")


def hub_issuer(answer: httpx.Response) -> str:
    parts = urlsplit(answer.headers["location"])
    assert parse_qs(parts.query)["response_type"] == ["code"]
    return f"{parts.scheme}://{parts.netloc}/"


async def test_a_cookie_of_one_app_is_nothing_anywhere_else(
    hub_cluster: Cluster, place: Place, browser: Browser
) -> None:
    """At the other app's host, at the hub's own, and the hub's own at an app's: 401."""
    opened = await signed_in(hub_cluster, browser)
    await browser.go(f"{place.url('one')}/")
    for name, token in (
        ("two", cookie_at(browser, "one")),
        ("public", cookie_at(browser, "one")),
        ("one", opened.token),
    ):
        for path in ("/v1/sessions/me", "/anything"):
            if name == "public" and path == "/anything":
                continue
            headers = {"Host": place.host(name), "Cookie": f"hub={token}"}
            problem(await browser.client.get(path, headers=headers), 401, "unauthenticated")


async def test_a_page_of_an_app_sees_what_its_app_may(hub_cluster: Cluster, place: Place, browser: Browser) -> None:
    """Document, changes, commits and pushes at an app's host are those of the app, whatever the page asks for."""
    opened = await signed_in(hub_cluster, browser)
    async with as_service(place.node) as service:
        good(await merge(service, opened.sid, {"profile": {"a": 1}, "cart": {"b": "canary"}, "secret": {"c": 1}}))
    await browser.go(f"{place.url('one')}/")
    shown = {"Host": place.host("one"), "Cookie": f"hub={cookie_at(browser, 'one')}"}
    assert good(await browser.client.get("/v1/sessions/me/document", headers=shown)) == {"profile": {"a": 1}}
    changes = await browser.client.get(f"/v1/sessions/me/changes?since={opened.position}", headers=shown)
    assert "canary" not in changes.text
    unsafe = {**shown, "Origin": place.url("one"), "X-Hub-CSRF": "1", "Content-Type": MERGE}
    path = "/v1/sessions/me/document"
    refused = await browser.client.patch(path, content='{"cart": {"b": 2}}', headers=unsafe)
    problem(refused, 403, "forbidden")
    good(await browser.client.patch(path, content='{"profile": {"a": 2}}', headers=unsafe))
    met = Node(place.node.process, place.node.port)
    met.ws_url = f"ws://{place.host('one')}"
    headers = {"Cookie": shown["Cookie"], "Origin": place.url("one")}
    for query in ("", "?app=one"):
        async with await open_with(met, headers, query=query) as tab:
            await tab.until_live()
            assert set(tab.document) == {"profile"}
    with pytest.raises(InvalidStatus) as foreign:
        await open_with(met, {**headers, "Origin": place.url("two")})
    assert foreign.value.response.status_code == 403
    async with await open_with(met, headers, query="?app=two") as tab:
        await tab.until_closed()
        assert tab.code == 4503


async def test_a_way_in_is_used_once_and_by_the_browser_it_was_made_for(
    hub_cluster: Cluster, place: Place, browser: Browser
) -> None:
    """A code replayed, taken to another app, or brought by a browser that was not sent away: 400, no cookie."""
    await signed_in(hub_cluster, browser)
    for case in ("replayed", "other app", "other browser", "no cookie"):
        login = await browser.get(f"{place.url('one')}/auth/login")
        at_hub = await browser.get(login.headers["location"])
        assert at_hub.status_code == 303, case
        enter = at_hub.headers["location"]
        assert enter.startswith(f"{place.url('one')}/auth/enter?")
        jar = dict(browser.jars[place.host("one")])
        if case == "replayed":
            assert (await browser.get(enter)).status_code == 303
            browser.jars[place.host("one")] = jar
        elif case == "other app":
            browser.jars[place.host("two")] = jar
            enter = enter.replace(place.url("one"), place.url("two"))
        elif case == "other browser":
            browser.jars[place.host("one")] = {}
            await browser.get(f"{place.url('one')}/auth/login")
        else:
            browser.jars[place.host("one")] = {}
        answer = await browser.get(enter)
        assert answer.status_code == 400, case
        assert not [value for value in answer.headers.get_list("set-cookie") if value.startswith("hub=hub_st")], case
        browser.jars[place.host("one")] = {}


async def test_a_way_in_cannot_be_put_together_from_parts(hub_cluster: Cluster, place: Place, browser: Browser) -> None:
    """The code of one visit with the state of another, a visit used twice, a visit to another app: 400."""
    await signed_in(hub_cluster, browser)

    async def visit(app: str = "one") -> tuple[str, str]:
        login = await browser.get(f"{place.url('one')}/auth/login")
        back = await browser.get(login.headers["location"].replace("app=one", f"app={app}"))
        asked = parse_qs(urlsplit(back.headers["location"]).query)
        return asked["code"][0], asked["state"][0]

    async def enter(app: str, code: str, state: str) -> int:
        answer = await browser.get(f"{place.url(app)}/auth/enter?code={code}&state={state}")
        browser.jars[place.host(app)].pop("hub", None)
        return answer.status_code

    (code, state), (_, other_state) = await visit(), await visit()
    assert await enter("one", code, other_state) == 400
    code, state = await visit()
    jar = dict(browser.jars[place.host("one")])
    assert await enter("one", code, state) == 303
    browser.jars[place.host("one")] = jar
    again = await browser.get(f"{place.url('public')}/auth/handover?app=one&state={state}")
    fresh = parse_qs(urlsplit(again.headers["location"]).query)["code"][0]
    assert await enter("one", fresh, state) == 400
    code, state = await visit("two")
    browser.jars[place.host("two")] = dict(browser.jars[place.host("one")])
    assert await enter("two", code, state) == 400
    (code, state) = await visit("two")
    assert await enter("one", code, state) == 400


async def test_signing_out_at_one_app_ends_the_session_everywhere(
    hub_cluster: Cluster, place: Place, browser: Browser
) -> None:
    """The one session is over: every host refuses its own cookie from then on."""
    opened = await signed_in(hub_cluster, browser)
    for name in ("one", "two"):
        await browser.go(f"{place.url(name)}/")
    kept = {name: cookie_at(browser, name) for name in ("one", "two")}
    out = await browser.get(
        f"{place.url('one')}/auth/logout",
        "POST",
        Origin=place.url("one"),
        **{"X-Hub-CSRF": "1", "Sec-Fetch-Mode": "cors"},
    )
    assert out.status_code == 204
    for name, token in kept.items():
        answer = await browser.client.get("/", headers={"Host": place.host(name), "Cookie": f"hub={token}"})
        problem(answer, 401, "session_ended")
    headers = {"Authorization": f"Bearer {opened.token}"}
    problem(await browser.client.get("/v1/sessions/me", headers=headers), 401, "session_ended")


async def test_an_app_does_not_reach_the_users_other_sessions(
    hub_cluster: Cluster, place: Place, browser: Browser
) -> None:
    """Listing and ending all of a user's sessions is for the hub's own pages."""
    await signed_in(hub_cluster, browser)
    await browser.go(f"{place.url('one')}/")
    shown = {"Host": place.host("one"), "Cookie": f"hub={cookie_at(browser, 'one')}"}
    unsafe = {**shown, "Origin": place.url("one"), "X-Hub-CSRF": "1"}
    problem(await browser.client.get("/v1/users/me/sessions", headers=shown), 403, "forbidden")
    problem(await browser.client.delete("/v1/users/me/sessions", headers=unsafe), 403, "forbidden")
    problem(await browser.client.post("/auth/logout?everywhere=1", headers=unsafe), 403, "forbidden")
    good(await browser.client.get("/v1/sessions/me", headers=shown))


async def test_at_the_host_of_an_app_the_rest_is_the_apps(hub_cluster: Cluster, place: Place, browser: Browser) -> None:
    """The hub keeps ``/v1``, ``/auth`` and ``/client`` there, and serves the client; everything else is passed on."""
    await signed_in(hub_cluster, browser)
    await browser.go(f"{place.url('one')}/")
    for path in ("/", "/docs", "/healthz", "/console", "/v2/x", "/authors"):
        assert echoed(await browser.get(place.url("one") + path))["target"] == path
    assert (await browser.get(f"{place.url('one')}/client/index.js")).status_code == 200
    problem(await browser.get(f"{place.url('one')}/v1/nothing"), 404, "not_found")
