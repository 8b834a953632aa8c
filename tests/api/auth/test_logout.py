"""Log-out over HTTP, and the page one ends up at."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from hub.identity.compact import parse
from hub.identity.session_tokens import sid_of
from tests.api.auth.door import Door, open_door
from tests.identity.oidc_case import ISSUER, PUBLIC_URL, query_of

FORM = {"content-type": "application/x-www-form-urlencoded", "origin": PUBLIC_URL}


async def form_of(door: Door) -> dict[str, str]:
    page = await door.browser.get("/auth/signed-out")
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found
    return {"csrf": found[1]}


async def test_a_log_out_ends_the_session_and_takes_the_cookie(door: Door) -> None:
    await door.log_in()
    sid = sid_of(door.token or "") or ""
    answer = await door.post()
    assert answer.status_code == 204
    assert door.sessions.kept[sid].ending is not None
    assert door.token is None
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["clear-site-data"] == '"cache"'


async def test_everywhere_ends_all_of_the_users(door: Door) -> None:
    await door.log_in()
    assert (await door.post("/auth/logout?everywhere=1")).status_code == 204
    assert ("end_user", ISSUER, next(iter(door.sessions.kept.values())).user) in door.sessions.acts


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"X-Hub-CSRF": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"content-type": "text/plain", "content-length": "1"},
    ],
    ids=repr,
)
async def test_another_site_cannot_log_anybody_out(door: Door, headers: dict[str, str]) -> None:
    """Threat 38."""
    await door.log_in()
    answer = await door.post(headers=headers, content=b"x")
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert door.token is not None
    assert [act[0] for act in door.sessions.acts] == ["open"]


async def test_nobody_is_no_user(door: Door) -> None:
    answer = await door.post()
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert "set-cookie" not in answer.headers


async def test_an_ended_session_logs_out_without_a_word(door: Door) -> None:
    """Log-out is done when it is over, whoever was first."""
    await door.log_in()
    kept = door.token or ""
    assert (await door.post()).status_code == 204
    door.browser.cookies.set("hub", kept, domain="localhost.local")
    answer = await door.post()
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]


async def test_a_bearer_logs_out_and_no_cookie_is_touched(door: Door) -> None:
    await door.log_in()
    token = door.token
    door.browser.cookies.clear()
    answer = await door.browser.post("/auth/logout", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers
    assert door.sessions.acts[-1][0] == "end"


async def test_an_outage_still_takes_the_cookie_away(door: Door) -> None:
    """The one exception: who asks to be logged out gets 503, and the browser forgets the session all the same."""
    await door.log_in()
    door.sessions.is_down = True
    answer = await door.post()
    assert (answer.status_code, answer.json()["code"]) == (503, "maintenance")
    assert answer.headers["retry-after"]
    assert door.token is None


async def test_an_outage_does_not_help_another_site(door: Door) -> None:
    await door.log_in()
    door.sessions.is_down = True
    answer = await door.post(headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert door.token is not None


async def test_a_form_with_its_field_goes_on_to_the_provider(door: Door) -> None:
    await door.log_in()
    answer = await door.browser.post("/auth/logout", data=await form_of(door), headers=FORM)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{ISSUER}/end_session?")
    assert query_of(answer.headers["location"])["post_logout_redirect_uri"] == f"{PUBLIC_URL}/auth/signed-out"
    assert door.token is None
    assert door.sessions.acts[-1][0] == "end"


async def test_the_provider_is_told_which_session_is_meant(door: Door) -> None:
    """``id_token_hint`` is the ID token of this very log-in, so the provider need not ask (RP-Initiated Logout §2)."""
    await door.log_in("ada")
    sid = next(iter(door.sessions.kept))
    answer = await door.browser.post("/auth/logout", data=await form_of(door), headers=FORM)
    hint = query_of(answer.headers["location"])["id_token_hint"]
    assert hint == door.sessions.id_tokens[sid]
    assert parse(hint).claims["sub"] == door.sessions.kept[sid].user


@pytest.mark.parametrize("header", ['"cache", "storage"', ""])
async def test_what_the_browser_clears_is_configured(header: str) -> None:
    """``Clear-Site-Data`` as configured, or not at all."""
    async with open_door(clear_site_data=header) as door:
        await door.log_in()
        assert (await door.post()).headers.get("clear-site-data", "") == header


async def test_a_form_can_end_everything(door: Door) -> None:
    await door.log_in()
    fields = {**await form_of(door), "everywhere": "1"}
    assert (await door.browser.post("/auth/logout", data=fields, headers=FORM)).status_code == 303
    assert door.sessions.acts[-1][0] == "end_user"


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, FORM),
        ({"csrf": ""}, FORM),
        ({"csrf": "0" * 64}, FORM),
        ({"csrf": "\xff"}, FORM),
        (None, {**FORM, "origin": "https://evil.example"}),
        (None, {**FORM, "origin": "null"}),
        (None, {"content-type": FORM["content-type"]}),
        (None, {**FORM, "authorization": "Bearer hub_st_x"}),
    ],
    ids=repr,
)
async def test_a_form_from_elsewhere_is_refused(
    door: Door, fields: dict[str, str] | None, headers: dict[str, str]
) -> None:
    """Threat 38: a form needs the field its page was given for this session, and the Origin of this hub."""
    await door.log_in()
    data = await form_of(door) if fields is None else fields
    answer = await door.browser.post("/auth/logout", data=data, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert [act[0] for act in door.sessions.acts] == ["open"]


async def test_a_field_is_worth_nothing_in_another_session(door: Door) -> None:
    await door.log_in()
    fields = await form_of(door)
    door.browser.cookies.clear()
    await door.log_in("grace")
    assert (await door.browser.post("/auth/logout", data=fields, headers=FORM)).status_code == 403


async def test_a_huge_form_is_refused(door: Door) -> None:
    await door.log_in()
    answer = await door.browser.post("/auth/logout", content=b"x" * 10_000, headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("logged_out", "You are signed out"),
        ("revoked", "was ended"),
        ("expired", "run out"),
        ("idle", "away"),
        ("replaced", "somewhere else"),
        ("", "You are signed out"),
        ("<script>alert(1)</script>", "You are signed out"),
    ],
)
async def test_the_page_says_why_and_offers_the_way_in(door: Door, reason: str, says: str) -> None:
    page = await door.browser.get("/auth/signed-out", params={"reason": reason, "return_to": "/apps/a"})
    assert page.status_code == 200
    assert says in page.text
    assert "<script" not in page.text
    assert 'href="/auth/login?return_to=%2Fapps%2Fa"' in page.text
    assert "frame-ancestors 'self'" in page.headers["content-security-policy"]


async def test_the_page_knows_who_is_back(door: Door) -> None:
    """A tab whose session ended while another tab signed in again offers to go on, or to sign out for good."""
    await door.log_in("ada")
    page = await door.browser.get("/auth/signed-out")
    assert "You are signed in" in page.text
    assert "is over" not in page.text
    page = await door.browser.get("/auth/signed-out", params={"reason": "idle", "return_to": "/apps/a"})
    assert "Ada" in page.text
    assert 'href="/apps/a"' in page.text
    parts = urlsplit(ISSUER)
    assert f"form-action 'self' {parts.scheme}://{parts.netloc}" in page.headers["content-security-policy"]


async def test_the_page_needs_no_store(door: Door) -> None:
    await door.log_in()
    door.sessions.is_down = True
    page = await door.browser.get("/auth/signed-out?reason=revoked")
    assert page.status_code == 200
    assert "Sign in again" in page.text
