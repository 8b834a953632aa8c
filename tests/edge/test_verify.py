"""Forward-auth: what another proxy is told about a request before it forwards it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from hub.store import keys
from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node, cluster, sha256
from tests.support.ports import free_port
from tests.support.tabs import Opened, log_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.edge

KEY, OTHER_KEY, NEXT_KEY = "a-verify-key-of-app-a", "a-verify-key-of-app-b", "the-next-key-of-app-a"
ALWAYS = ("x-hub-session", "x-hub-user", "x-hub-sid", "x-hub-position")
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def settings_of(port: int, **more: str) -> dict[str, str]:
    return {
        "HUB_APPS__A__VERIFY_KEY_SHA256": f"{sha256(KEY)},{sha256(NEXT_KEY)}",
        "HUB_APPS__B__VERIFY_KEY_SHA256": sha256(OTHER_KEY),
        "HUB_APPS__OPEN__PREFIX": "/apps/open",
        "HUB_APPS__OPEN__UPSTREAM": "http://127.0.0.1:9",
        "HUB_APPS__OPEN__ANONYMOUS": "true",
        "HUB_APPS__OPEN__VERIFY_KEY_SHA256": sha256(KEY),
        "HUB_APPS__OWN__HOST": f"own.localhost:{port}",
        "HUB_APPS__OWN__UPSTREAM": "http://127.0.0.1:9",
        "HUB_APPS__OWN__VERIFY_KEY_SHA256": sha256(KEY),
        **more,
    }


@pytest.fixture(scope="module")
def asked(hub_cluster: Cluster) -> Node:
    """A node that trusts the proxy on this machine."""
    port = free_port()
    return hub_cluster.node("hub", port=port, **settings_of(port, HUB_TRUSTED_PROXIES="127.0.0.1"))


@pytest.fixture(scope="module")
def aloof(hub_cluster: Cluster) -> Node:
    """A node that trusts nobody."""
    port = free_port()
    return hub_cluster.node("hub", port=port, **settings_of(port))


@pytest.fixture
async def opened(hub_cluster: Cluster, asked: Node) -> Opened:
    return await log_in(hub_cluster, asked)


class Proxy(httpx.AsyncClient):
    """Another proxy, with the key of app ``a``."""

    async def ask(self, app: str = "a", key: str = KEY, query: str = "", **headers: str) -> httpx.Response:
        shown = {"X-Hub-Verify-Key": key, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await self.get(f"/auth/verify?app={app}{query}", headers=shown)


@pytest.fixture
async def proxy(asked: Node) -> AsyncIterator[Proxy]:
    async with Proxy(base_url=asked.url) as client:
        yield client


def cookie(opened: Opened) -> dict[str, str]:
    return {"Cookie": f"hub={opened.token}"}


async def test_a_signed_in_request_may_go_on_with_all_it_needs(proxy: Proxy, opened: Opened) -> None:
    """200, an empty body, who it is, and a context token that the hub itself accepts as the app's."""
    answer = await proxy.ask(**cookie(opened))
    assert good(answer, 200) is None
    assert (answer.headers["x-hub-user"], answer.headers["x-hub-sid"]) == ("ada", opened.sid)
    assert answer.headers["x-hub-position"] == opened.position
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    token = {"Authorization": f"Bearer {answer.headers['x-hub-session']}"}
    assert set(good(await proxy.get("/v1/sessions/me/document", headers=token))) == {"profile"}
    again = await proxy.ask(key=NEXT_KEY, **cookie(opened))
    assert again.headers["x-hub-session"] == answer.headers["x-hub-session"]  # made once for this position


async def test_only_with_the_key_of_this_app(proxy: Proxy, opened: Opened) -> None:
    """A browser, a wrong key, the key of another app, an unknown app: there is nothing here, signed in or not."""
    path = "/auth/verify?app=a"
    problem(await proxy.get(path, headers=cookie(opened)), 404, "not_found")
    for app, key in (
        ("a", ""),
        ("a", "wrong"),
        ("a", OTHER_KEY),
        ("b", KEY),
        ("c", KEY),
        ("", KEY),
        ("open", OTHER_KEY),
    ):
        answer = await proxy.ask(app, key, **cookie(opened))
        problem(answer, 404, "not_found")
        assert not set(answer.headers) & set(ALWAYS)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Cookie": "hub=hub_st_nothing"},
        {"Authorization": "Bearer hub_st_guess"},
        {"Authorization": "Bearer hub_sk_billing_guess"},
        {"Cookie": "hub=a; hub=b"},
    ],
)
async def test_nobody_is_401(proxy: Proxy, headers: dict[str, str]) -> None:
    """No session: 401, never another status that a proxy would turn into a failure."""
    answer = await proxy.ask(**headers)
    assert answer.status_code == 401
    assert not set(answer.headers) & set(ALWAYS)


async def test_too_many_bad_cookies_are_still_401(hub_cluster: Cluster) -> None:
    """A proxy makes a failure of its own of 429; a log-in is what helps."""
    port = free_port()
    strict = hub_cluster.node("hub", port=port, **settings_of(port, HUB_LIMITS__FAILURES_PER_MINUTE="2"))
    async with Proxy(base_url=strict.url) as proxy:
        for _ in range(5):
            problem(await proxy.ask(Cookie="hub=hub_st_nothing"), 401, "unauthenticated")
        direct = await proxy.get("/v1/sessions/me", headers={"Cookie": "hub=hub_st_nothing"})
        problem(direct, 429, "rate_limited")


async def test_an_ended_session_is_401(proxy: Proxy, opened: Opened) -> None:
    """At the next request, with the reason."""
    good(await proxy.ask(**cookie(opened)), 200)
    good(await proxy.delete("/v1/sessions/me", headers={"Authorization": f"Bearer {opened.token}"}), 204)
    problem(await proxy.ask(**cookie(opened)), 401, "session_ended")


async def test_every_identity_header_is_always_there(proxy: Proxy, opened: Opened) -> None:
    """Where nobody is needed they are empty, so that nothing a visitor sent survives in their place."""
    spoofed = {"X-Hub-User": "root", "X-Hub-Session": "x", "X-Hub-Sid": "y", "X-Hub-Position": "1.00000000"}
    answer = await proxy.ask("open", **spoofed)
    assert answer.status_code == 200
    assert [answer.headers.get_list(name) for name in ALWAYS] == [[""]] * 4
    answer = await proxy.ask("open", **spoofed, **cookie(opened))
    assert all(answer.headers.get_list(name) not in ([""], [spoofed.get(name)]) for name in ALWAYS)


async def test_a_write_from_a_strange_page_is_403(proxy: Proxy, opened: Opened, aloof: Node) -> None:
    """The Origin rule of the gateway, for the method that a trusted proxy names; others name none."""
    foreign = {"Origin": "https://evil.example", "X-Forwarded-Method": "POST", **cookie(opened)}
    problem(await proxy.ask(**foreign), 403, "csrf")
    problem(await proxy.ask(**foreign | {"Origin": "null"}), 403, "csrf")
    no_origin = {"X-Original-Method": "DELETE", **cookie(opened)}
    problem(await proxy.ask(**no_origin), 403, "csrf")
    good(await proxy.ask(**no_origin, **{"Sec-Fetch-Site": "same-origin"}), 200)
    good(await proxy.ask(**foreign | {"Origin": str(proxy.base_url).rstrip("/")}), 200)
    good(await proxy.ask(**foreign | {"X-Forwarded-Method": "GET"}), 200)
    socket = {"Origin": "https://evil.example", "Sec-WebSocket-Key": "x", **cookie(opened)}
    problem(await proxy.ask(**socket), 403, "csrf")
    asked_with = await proxy.post("/auth/verify?app=a", headers={"X-Hub-Verify-Key": KEY, **cookie(opened)})
    problem(asked_with, 403, "csrf")  # Envoy asks with the method of the request itself
    async with Proxy(base_url=aloof.url) as stranger:
        good(await stranger.ask(**foreign), 200)


async def test_a_navigation_is_led_to_the_log_in(proxy: Proxy, aloof: Node) -> None:
    """With ``redirect=1``; calls by scripts and writes get their 401 still; ``return_to`` is a path or nothing."""
    wanted = {"X-Forwarded-Uri": "/apps/a/deep?x=1&y=%2F", **NAVIGATION}
    answer = await proxy.ask(query="&redirect=1", **wanted)
    assert answer.status_code == 302
    parts = urlsplit(answer.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{str(proxy.base_url).rstrip('/')}/auth/login"
    assert parse_qs(parts.query)["return_to"] == ["/apps/a/deep?x=1&y=%2F"]
    for said in ("https://evil.example/x?q", "//evil.example/x?q"):
        answer = await proxy.ask(query="&redirect=1", **wanted | {"X-Forwarded-Uri": said})
        assert parse_qs(urlsplit(answer.headers["location"]).query)["return_to"] == ["/x?q"]
    assert (await proxy.ask(**wanted)).status_code == 401
    for other in ({"Sec-Fetch-Mode": "cors"}, {"X-Forwarded-Method": "POST"}):
        assert (await proxy.ask(query="&redirect=1", **wanted | other)).status_code == 401
    async with Proxy(base_url=aloof.url) as stranger:
        answer = await stranger.ask(query="&redirect=1", **wanted)
        assert parse_qs(urlsplit(answer.headers["location"]).query)["return_to"] == ["/"]
    answer = await proxy.ask("own", query="&redirect=1", **wanted)
    assert urlsplit(answer.headers["location"]).netloc == f"own.localhost:{proxy.base_url.port}"


async def test_an_app_with_its_own_host_has_its_own_cookie_here_too(
    hub_cluster: Cluster, proxy: Proxy, opened: Opened
) -> None:
    """The session cookie of the hub's own host proves nothing for it."""
    assert (await proxy.ask("own", **cookie(opened))).status_code == 401


async def test_what_a_person_does_slides_the_idle_timer(hub_cluster: Cluster) -> None:
    """Navigations and writes do; what scripts read does not."""
    port = free_port()
    node = hub_cluster.node(
        "hub", port=port, **settings_of(port, HUB_TRUSTED_PROXIES="127.0.0.1", HUB_SESSION__IDLE="20s")
    )
    for headers, slides in (
        (NAVIGATION, True),
        ({"X-Forwarded-Method": "POST", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Mode": "cors"}, False),
        ({}, False),
    ):
        opened = await log_in(hub_cluster, node)
        before = idle_of(hub_cluster, opened.sid)
        async with Proxy(base_url=node.url) as proxy:
            good(await proxy.ask(**cookie(opened), **headers), 200)
        assert (idle_of(hub_cluster, opened.sid) > before) is slides, headers


def idle_of(cluster: Cluster, sid: str) -> int:
    from redis import Redis

    outside: Any = Redis.from_url(cluster.store_url)
    try:
        return int(outside.hget(keys.record(sid), "idle"))
    finally:
        outside.close()


async def test_without_a_store_it_is_503_and_nobody_is_signed_out() -> None:
    """Nothing is let through, nothing is cleared, and the same cookie works again afterwards."""
    with cluster() as own:
        port = free_port()
        node = own.node("hub", port=port, **settings_of(port))
        opened = await log_in(own, node)
        async with Proxy(base_url=node.url) as proxy:
            good(await proxy.ask(**cookie(opened)), 200)
            own.store.stop()
            answer = await proxy.ask(**cookie(opened))
            assert answer.status_code == 503
            assert not set(answer.headers) & {"set-cookie", *ALWAYS}
            own.store.start()

            async def is_back() -> bool:
                return (await proxy.ask(**cookie(opened))).status_code == 200

            await eventually(is_back, 10)
