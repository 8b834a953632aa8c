"""Log-in in a browser, over HTTP: the way in, and all the ways it must not go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.identity.fetching import FetchFailed
from hub.identity.session_tokens import sid_of
from tests.api.auth.door import Door, open_door
from tests.identity.oidc_case import PUBLIC_URL
from tests.identity.worlds import NOW

SAME = {"sec-fetch-site": "same-origin"}


async def test_a_person_logs_in_and_arrives(door: Door) -> None:
    answer = await door.log_in("ada", return_to="/apps/a/?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/apps/a/?x=1")
    assert answer.headers["cache-control"] == "no-store"
    assert door.token is not None
    (made,) = door.sessions.kept.values()
    assert made.sid == sid_of(door.token)
    assert made.document["identity"]["email"].startswith("ada")


async def test_every_cookie_has_its_flags(door: Door) -> None:
    """Threat 4: on loopback all flags but Secure; a transaction's cookie goes when its log-in is done."""
    begun = await door.browser.get("/auth/login")
    answer = await door.browser.get(await door.case.answer_of(begun.headers["location"]))
    set_cookies = [*begun.headers.get_list("set-cookie"), *answer.headers.get_list("set-cookie")]
    assert len(set_cookies) == 3
    for value in set_cookies:
        assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(value.split("; "))
        assert "domain" not in value.lower()
    assert list(door.browser.cookies) == ["hub"]
    for response in (begun, answer):
        assert response.headers["cache-control"] == "no-store"


async def test_a_planted_cookie_is_never_adopted(door: Door) -> None:
    """Threat 1: what the browser had before is worth nothing after; every log-in makes a new token."""
    door.browser.cookies.set("hub", "attacker", domain="localhost.local")
    await door.log_in()
    tokens = [cookie.value for cookie in door.browser.cookies.jar if cookie.name == "hub"]
    assert any(value and value.startswith("hub_st_") for value in tokens)
    assert [act[0] for act in door.sessions.acts] == ["open"]


async def test_a_live_session_goes_straight_on(door: Door) -> None:
    """Threat 73: with a live session a log-in from anywhere changes nothing."""
    await door.log_in()
    before = door.token
    for headers in ({}, {"sec-fetch-site": "cross-site"}, SAME):
        answer = await door.browser.get("/auth/login", params={"return_to": "/apps/b"}, headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (303, "/apps/b")
        assert "set-cookie" not in answer.headers
    assert door.token == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"referer": "https://evil.example/"},
        {"referer": f"{PUBLIC_URL}.evil.example/"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "referer": f"{PUBLIC_URL}/"},
        {"referer": "http://[::1"},
    ],
    ids=repr,
)
async def test_nobody_else_forces_a_new_log_in(door: Door, headers: dict[str, str]) -> None:
    """Threat 73: ``prompt=login`` counts only from a page of this hub."""
    await door.log_in()
    answer = await door.browser.get("/auth/login", params={"prompt": "login"}, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("headers", [SAME, {"referer": f"{PUBLIC_URL}/apps/a/"}, {"origin": PUBLIC_URL}], ids=repr)
async def test_an_own_page_may_ask_again_and_the_old_session_ends(door: Door, headers: dict[str, str]) -> None:
    await door.log_in()
    before = door.token or ""
    begun = await door.browser.get("/auth/login", params={"prompt": "login"}, headers=headers)
    assert "prompt=login" in begun.headers["location"]
    assert (await door.browser.get(await door.case.answer_of(begun.headers["location"], "grace"))).status_code == 303
    assert door.token != before
    assert door.sessions.kept[sid_of(before) or ""].ending is not None
    assert [act[0] for act in door.sessions.acts] == ["open", "end", "open"]


async def test_two_tabs_log_in_at_once(door: Door) -> None:
    first, second = await asyncio.gather(*(door.browser.get("/auth/login") for _ in range(2)))
    for begun in (second, first):
        answer = await door.browser.get(await door.case.answer_of(begun.headers["location"]))
        assert answer.status_code == 303


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?state=x&code=y",
        "?code=y",
        "?state=x&state=x&code=y",
        "?error=access_denied&state=x",
        "?state=%ff&code=%00",
    ],
)
async def test_a_callback_of_nobodys_is_a_page_with_400(door: Door, query: str) -> None:
    """Threat 39: never a session, never a 500, and a way to try again."""
    answer = await door.browser.get(f"/auth/callback{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert 'href="/auth/login"' in answer.text
    assert door.token is None


async def test_a_callback_works_once(door: Door) -> None:
    """Threat 39."""
    begun = await door.browser.get("/auth/login")
    callback = await door.case.answer_of(begun.headers["location"])
    cookies = dict(door.browser.cookies)
    assert (await door.browser.get(callback)).status_code == 303
    door.browser.cookies.clear()
    for name, value in cookies.items():
        door.browser.cookies.set(name, value, domain="localhost.local")
    assert (await door.browser.get(callback)).status_code == 400


async def test_return_to_stays_here(door: Door) -> None:
    """Threat 40."""
    for wanted in ("//evil", "/\\evil", "https:evil", "/%2f%2fevil", "\t//evil", "javascript:alert(1)"):
        answer = await door.log_in(return_to=wanted)
        assert answer.headers["location"] == "/"
        door.browser.cookies.clear()


async def test_a_log_in_from_before_a_universal_log_out_opens_nothing(door: Door) -> None:
    """Threats 60 and 65: what began before the user was logged out everywhere ends in a page."""
    begun = await door.browser.get("/auth/login")
    callback = await door.case.answer_of(begun.headers["location"])
    door.sessions.not_before_ms = NOW * 1000 + 1
    answer = await door.browser.get(callback)
    assert answer.status_code == 400
    assert "everywhere" in answer.text
    assert door.token is None


async def test_store_down_no_log_in_and_no_cookie_lost(door: Door) -> None:
    """Threat 49: 503 with a page and a time to come back; the cookie stays."""
    await door.log_in()
    door.sessions.is_down = True
    for path in ("/auth/login", "/auth/callback?state=x&code=y"):
        answer = await door.browser.get(path)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "set-cookie" not in answer.headers


async def test_provider_down_is_a_page_with_503(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threat 51: existing sessions are untouched, and the page says so."""
    await door.log_in()
    door.case.clock.seconds += 90_000

    async def down(*_: Any, **__: Any) -> Any:
        raise FetchFailed("no route")

    monkeypatch.setattr("hub.identity.jwks.fetch_json", down)
    answer = await door.browser.get("/auth/login", params={"prompt": "login"}, headers=SAME)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "stays signed in" in answer.text
    assert (await door.browser.get("/auth/login")).status_code == 303


async def test_log_ins_are_limited_by_address() -> None:
    async with open_door(log_ins=3) as door:
        for _ in range(3):
            assert (await door.browser.get("/auth/login")).status_code == 302
        answer = await door.browser.get("/auth/login")
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert (await door.browser.get("/auth/callback")).status_code == 429


async def test_an_unknown_provider_is_a_page_with_400(door: Door) -> None:
    answer = await door.browser.get("/auth/login", params={"provider": "<b>"})
    assert answer.status_code == 400
    assert "<b>" not in answer.text


async def test_of_several_providers_one_is_chosen(door: Door) -> None:
    door.case.oidc._directories["second"] = door.case.oidc._directories["main"]
    answer = await door.browser.get("/auth/login", params={"return_to": "/apps/a"})
    assert answer.status_code == 200
    for name in ("main", "second"):
        assert f'href="/auth/login?return_to=%2Fapps%2Fa&amp;provider={name}"' in answer.text
    assert (await door.browser.get("/auth/login", params={"provider": "main"})).status_code == 302


async def test_pages_carry_a_strict_policy(door: Door) -> None:
    """No scripts, no inline styles, no frames around a log-in, nothing kept by caches."""
    page = await door.browser.get("/auth/callback")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "same-origin"
    assert "<script" not in page.text
    assert " style=" not in page.text
