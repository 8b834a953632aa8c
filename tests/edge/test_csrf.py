"""The session cookie: what else a browser's request must show, and what no other page can."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.nodes import Node
from tests.support.tabs import MERGE, Opened

pytestmark = pytest.mark.edge

DOCUMENT = "/v1/sessions/me/document"
PATCH = json.dumps({"cart": {"n": 1}})


def cookie(opened: Opened, **headers: str) -> dict[str, str]:
    """Headers of a browser that holds the session's cookie."""
    return {
        "Cookie": f"other=1; hub={opened.token}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }


async def test_reads_need_the_cookie_only(anybody: httpx.AsyncClient, opened: Opened) -> None:
    """Safe methods; the answer sets no cookie and is not kept."""
    assert good(await anybody.get("/v1/sessions/me", headers=cookie(opened)))["sid"] == opened.sid
    good(await anybody.get(DOCUMENT, headers=cookie(opened, Origin="http://evil.test", Sec_Fetch_Site="cross-site")))


async def test_a_page_of_the_hub_commits_with_the_cookie(
    anybody: httpx.AsyncClient, node: Node, opened: Opened
) -> None:
    """Own or listed ``Origin``, or ``Sec-Fetch-Site: same-origin`` without one; and the header."""
    for proof in (
        {"Origin": node.url},
        {"Origin": node.url, "Sec_Fetch_Site": "same-origin"},
        {"Origin": "http://page.test", "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-origin"},
    ):
        headers = cookie(opened, X_Hub_CSRF="1", Content_Type=MERGE, **proof)
        good(await anybody.patch(DOCUMENT, content=PATCH, headers=headers))
    good(await anybody.delete("/v1/sessions/me", headers=cookie(opened, X_Hub_CSRF="1", Origin=node.url)), 204)


@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"X_Hub_CSRF": "1"},
        {"Origin": "{own}"},
        {"X_Hub_CSRF": "0", "Origin": "{own}"},
        {"X_Hub_CSRF": "1", "Origin": "http://evil.test"},
        {"X_Hub_CSRF": "1", "Origin": "null"},
        {"X_Hub_CSRF": "1", "Origin": "{own}.evil.test"},
        {"X_Hub_CSRF": "1", "Origin": "http://localhost"},
        {"X_Hub_CSRF": "1", "Origin": "{own}/"},
        {"X_Hub_CSRF": "1", "Origin": "HTTP://PAGE.TEST"},
        {"X_Hub_CSRF": "1", "Origin": "https://page.test"},
        {"X_Hub_CSRF": "1", "Origin": ""},
        {"X_Hub_CSRF": "1", "Origin": "{own}", "Sec_Fetch_Site": "cross-site"},
        {"X_Hub_CSRF": "1", "Sec_Fetch_Site": "same-site"},
        {"X_Hub_CSRF": "1", "Sec_Fetch_Site": "none"},
    ],
    ids=str,
)
async def test_a_cookie_alone_is_no_proof(
    anybody: httpx.AsyncClient, node: Node, opened: Opened, proof: dict[str, str]
) -> None:
    """403 ``csrf`` on every unsafe method, and nothing is done."""
    proof = {name: value.format(own=node.url) for name, value in proof.items()}
    headers = cookie(opened, Content_Type=MERGE, **proof)
    problem(await anybody.patch(DOCUMENT, content=PATCH, headers=headers), 403, "csrf")
    bare = cookie(opened, **proof)
    problem(await anybody.delete(f"{DOCUMENT}/cart", headers=bare), 403, "csrf")
    problem(await anybody.delete("/v1/sessions/me", headers=bare), 403, "csrf")
    problem(await anybody.delete("/v1/users/me/sessions", headers=bare), 403, "csrf")
    problem(await anybody.post("/v1/sessions/me/tickets", headers=bare), 403, "csrf")
    headers = cookie(opened, Content_Type="application/json", If_Match="*", **proof)
    problem(await anybody.put(f"{DOCUMENT}/cart", content=b"1", headers=headers), 403, "csrf")
    assert good(await anybody.get("/v1/sessions/me", headers=cookie(opened)))["position"] == opened.position


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_a_form_cannot_commit(anybody: httpx.AsyncClient, node: Node, opened: Opened, kind: str) -> None:
    """Media types that forms can send are refused before they are read."""
    headers = cookie(opened, X_Hub_CSRF="1", Origin=node.url, Content_Type=kind)
    problem(await anybody.patch(DOCUMENT, content=PATCH, headers=headers), 403, "csrf")


async def test_two_session_cookies_are_believed_neither(anybody: httpx.AsyncClient, opened: Opened) -> None:
    """One of them was planted."""
    for value in (
        f"hub={opened.token}; hub=planted",
        f"hub=planted; hub={opened.token}",
        f"hub={opened.token}; hub={opened.token}",
    ):
        problem(await anybody.get("/v1/sessions/me", headers={"Cookie": value}), 401, "unauthenticated")


async def test_an_authorization_header_is_the_only_one_looked_at(anybody: httpx.AsyncClient, opened: Opened) -> None:
    """A bad bearer is not helped by a good cookie."""
    headers = cookie(opened, Authorization="Bearer hub_st_nonsense")
    problem(await anybody.get("/v1/sessions/me", headers=headers), 401, "unauthenticated")


async def test_listed_origins_may_call_across_and_no_other(anybody: httpx.AsyncClient, opened: Opened) -> None:
    """CORS: exact origin, credentials, the exposed headers; nothing for a stranger."""
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "content-type,x-hub-csrf"}
    answer = await anybody.options(DOCUMENT, headers={"Origin": "http://page.test", **asked})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "http://page.test"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    answer = await anybody.get(DOCUMENT, headers=cookie(opened, Origin="http://page.test"))
    assert answer.headers["Access-Control-Allow-Origin"] == "http://page.test"
    assert "Origin" in answer.headers["Vary"]
    exposed = {name.strip() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert exposed >= {"ETag", "Location", "Retry-After", "Idempotency-Replayed", "X-Request-Id"}
    for origin in ("http://evil.test", "null", "http://page.test.evil.test"):
        answer = await anybody.get(DOCUMENT, headers=cookie(opened, Origin=origin))
        assert "Access-Control-Allow-Origin" not in answer.headers
        answer = await anybody.options(DOCUMENT, headers={"Origin": origin, **asked})
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_refusals_can_be_read_across_origins_too(anybody: httpx.AsyncClient, opened: Opened) -> None:
    """A listed page sees why it was refused."""
    answer = await anybody.get("/v1/sessions/me", headers={"Origin": "http://page.test", "Cookie": "hub=nonsense"})
    assert answer.headers.get("Access-Control-Allow-Origin") == "http://page.test"
    problem(answer, 401, "unauthenticated")
