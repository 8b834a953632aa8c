"""Threats against what stands beside the hub: proxies that ask it (11, 12), and apps on hosts of their own (74)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.gate import VERIFY_KEY, Gate, refusal
from tests.support.answers import problem
from tests.support.app_hosts import Browser, Place, cookie_at, signed_in, two_app_hosts
from tests.support.nodes import Cluster

pytestmark = pytest.mark.edge

CRAFTED = (
    "/apps/open/../a/x", "/apps/open/..%2fa/x", "/apps/open/%2e%2e/a/x", "/apps/open/%2e%2e%2fa%2fx",
    "/apps/open/.%2e/a/x", "/apps/open/%252e%252e/a/x", "/apps/open/..%5ca%5cx", "/apps/open/..\\a\\x",
    "/apps/open/..;/a/x", "/apps/open/..;x=1/a/x",
    "/apps/open/x/../../a/x", "/apps%2fa/x", "/apps/%61/x", "/%61pps/a/x", "/apps/%2561/x", "//apps/a/x", "/apps//a/x",
    "/./apps/a/x", "/apps/./a/x", "/apps/a%2f..%2fopen/x", "/apps/a/..", "/apps/a/../open/x", "/apps/a/%2e%2e/open/x",
    "/apps/a%00/x", "/apps/a%2e/x", "/apps/open#/../a/x", "/apps/open%23/../a/x", "/apps/open?/../a/x",
    "/apps/open%3f/../a/x", "/apps/ope%6e/x", "/%61pps/open/x", "/apps%2fopen/x", "/apps/%256fpen/x",
    "/APPS/A/x", "/apps/A/x", "/apps/a;x=1/y", "/apps/a%3bx/y", "/apps/a?x#/apps/open/", "/apps/a#/apps/open/",
)  # fmt: skip


async def test_11_no_spelling_of_a_path_leads_past_the_session_an_app_asks_for(gate: Gate) -> None:
    """Anonymous, in 39 spellings: app ``a`` is never asked; what an ambiguous path means is not guessed at."""
    for target in CRAFTED:
        gate.forget()
        answer = await gate.get(target)
        assert answer.status in (200, 400, 401, 404), target
        assert not gate.a.asked, target
        if ".." in target.partition("?")[0]:
            assert not gate.open.asked, target
        if answer.status == 200:  # what did reach the anonymous app is its own path, byte for byte, and no other
            (asked,) = gate.open.asked
            assert asked.target == target, target
            assert target.startswith(("/apps/open/", "/apps/open?")), target


async def test_11_what_a_proxy_says_of_the_path_decides_nothing(gate: Gate) -> None:
    """The app is named by the proxy's own configuration and key; a crafted original URI changes no verdict."""
    for target in CRAFTED:
        said = [
            f"{name}: {target}" for name in ("X-Forwarded-Uri", "X-Original-URI", "X-Original-URL", "X-Rewrite-URL")
        ]
        answer = await gate.get("/auth/verify?app=a", f"X-Hub-Verify-Key: {VERIFY_KEY}", *said)
        assert refusal(answer) == (401, "unauthenticated"), target


async def test_12_every_identity_header_is_in_every_answer_that_lets_a_request_pass(gate: Gate) -> None:
    """Empty where nobody is signed in, so that no value a visitor sent survives; each exactly once."""
    identity = ("x-hub-session", "x-hub-user", "x-hub-sid", "x-hub-position")
    key, spoofed = f"X-Hub-Verify-Key: {VERIFY_KEY}", [f"{name}: root" for name in identity]
    for app, cookie, is_known in (("open", [], False), ("open", [gate.cookie], True), ("a", [gate.cookie], True)):
        answer = await gate.get(f"/auth/verify?app={app}", key, *cookie, *spoofed)
        assert answer.status == 200
        for name in identity:
            values = [line.partition(":")[2].strip() for line in answer.lines if line.lower().startswith(f"{name}:")]
            assert len(values) == 1, name
            assert bool(values[0]) is is_known, name
            assert values[0] != "root", name


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster) -> Iterator[Place]:
    with two_app_hosts(hub_cluster) as made:
        yield made


async def test_74_the_cookie_of_one_apps_host_is_nothing_at_another(hub_cluster: Cluster, place: Place) -> None:
    """401 at the other app and at the hub; a code is good once, for one app, in the browser that was sent for it."""
    browser = Browser(place)
    await signed_in(hub_cluster, browser)
    await browser.go(f"{place.url('one')}/")
    token = cookie_at(browser, "one")
    for name, path in (("two", "/"), ("two", "/v1/sessions/me"), ("public", "/v1/sessions/me")):
        answer = await browser.client.get(path, headers={"Host": place.host(name), "Cookie": f"hub={token}"})
        problem(answer, 401, "unauthenticated")
    login = await browser.get(f"{place.url('two')}/auth/login")
    back = await browser.get(login.headers["location"])
    enter, jar = back.headers["location"], dict(browser.jars[place.host("two")])
    assert (await browser.get(enter)).status_code == 303
    browser.jars[place.host("two")] = jar
    assert (await browser.get(enter)).status_code == 400
    await browser.client.aclose()


async def test_74_a_code_is_taken_once_even_with_the_visit_still_open(hub_cluster: Cluster, place: Place) -> None:
    """A code made for one app opens nothing at another, whatever visit it is brought with."""
    browser = Browser(place)
    await signed_in(hub_cluster, browser)
    login = await browser.get(f"{place.url('one')}/auth/login")
    back = await browser.get(login.headers["location"].replace("app=one", "app=two"))
    answer = await browser.get(back.headers["location"].replace(place.url("two"), place.url("one")))
    assert answer.status_code == 400
    assert "hub" not in browser.jars[place.host("one")]
    login = await browser.get(f"{place.url('one')}/auth/login")
    codes = [(await browser.get(login.headers["location"])).headers["location"] for _ in range(2)]
    jar = dict(browser.jars[place.host("one")])
    assert (await browser.get(codes[0])).status_code == 303
    browser.jars[place.host("one")] = jar
    assert (await browser.get(codes[1])).status_code == 400  # the visit was used
    await browser.client.aclose()
