"""What the edge refuses by itself: routes, methods, hosts, headers and bytes that are no request."""

from __future__ import annotations

import httpx
import pytest

from tests.support import raw
from tests.support.answers import good, problem
from tests.support.nodes import Node
from tests.support.tabs import Opened

pytestmark = pytest.mark.edge

ROUTES = {
    "/healthz": "GET, HEAD",
    "/readyz": "GET, HEAD",
    "/.well-known/jwks.json": "GET, HEAD",
    "/client/index.js": "GET, HEAD",
    "/v1/sessions": "GET, HEAD, POST",
    "/v1/sessions/me": "DELETE, GET, HEAD",
    "/v1/sessions/me/tickets": "POST",
    "/v1/sessions/me/document": "GET, HEAD, PATCH",
    "/v1/sessions/me/document/cart": "DELETE, PUT",
    "/v1/sessions/me/changes": "GET, HEAD",
    "/v1/users/me/sessions": "DELETE, GET, HEAD",
    "/v1/sessions/me/events": "GET",
}


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/nothing", "/v1/sessions/", "/v1/sessions/me/", "/metrics", "/V1/sessions"]
)
async def test_an_unknown_route_is_a_problem(user: httpx.AsyncClient, path: str) -> None:
    """404 ``not_found``, whoever asks."""
    problem(await user.get(path), 404, "not_found")
    problem(await user.post(path, content=b"x" * 10), 404, "not_found")


@pytest.mark.parametrize("path", ROUTES)
async def test_a_wrong_method_is_405_and_told_the_right_ones(user: httpx.AsyncClient, path: str) -> None:
    """``Allow`` names all methods of the path."""
    allowed = ROUTES[path].split(", ")
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - set(allowed):
        answer = await user.request(method, path)
        assert answer.headers["Allow"] == ROUTES[path], method
        if method != "HEAD":
            assert problem(answer, 405, "method_not_allowed")["allowed"] == allowed


@pytest.mark.parametrize(
    "host", ["evil.test", "127.0.0.1", "localhost:1", "", "127.0.0.1:{port}.evil.test", "evil@127.0.0.1"]
)
async def test_an_unknown_host_is_421(node: Node, host: str) -> None:
    """DNS rebinding reaches nothing, whatever the route."""
    for path in ("/healthz", "/v1/sessions/me", "/nothing"):
        answer = await raw.send(node, raw.get(node, path, host=host.format(port=node.port) or " "))
        assert (answer.status, answer.json()["code"]) == (421, "unknown_host")


async def test_two_hosts_or_none_are_refused(node: Node) -> None:
    """A second ``Host`` is no choice, a missing one no default."""
    twice = await raw.send(node, raw.get(node, "/healthz", "Host: evil.test"))
    assert twice.status in (400, 421)
    none = await raw.send(node, b"GET /healthz HTTP/1.1\r\n\r\n")
    assert none.status in (400, 421)


async def test_a_header_section_over_16_kib_is_431(node: Node, opened: Opened) -> None:
    """One long header, or many; right below the limit is fine."""
    auth = f"Authorization: Bearer {opened.token}"
    for lines in ([f"X-Long: {'x' * 17_000}"], [f"X-{number}: {'x' * 100}" for number in range(170)]):
        answer = await raw.send(node, raw.get(node, "/v1/sessions/me", auth, *lines))
        assert (answer.status, answer.json()["code"]) == (431, "headers_too_large")
        assert answer.json()["limit_bytes"] == 16_384
    answer = await raw.send(node, raw.get(node, "/v1/sessions/me", auth, f"X-Long: {'x' * 15_000}"))
    assert answer.status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"x" * 80_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n b\r\n\x00: 1\r\n\r\n",
        b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
    ],
    ids=range(11),
)
async def test_what_is_no_http_is_refused(node: Node, request_bytes: bytes) -> None:
    """The parser's own refusals are 4xx problems, without a trace of the inside."""
    answer = await raw.send(node, request_bytes)
    assert 400 <= answer.status < 500
    assert b"Traceback" not in answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status
    assert answer.headers["x-hub-response"] == "1"


@pytest.mark.parametrize(
    "path", ["/v1/sessions/%ff", "/v1/sessions/%", "/%00", "//v1//sessions", "/v1/sessions/../../etc", "*"]
)
async def test_odd_paths_are_no_errors_of_the_hub(node: Node, opened: Opened, path: str) -> None:
    """4xx, whatever stands in the path or the query."""
    auth = f"Authorization: Bearer {opened.token}"
    for target in (path, f"{path}?a=%ff&%00=%zz&&&=", f"{path}?{'a&' * 2000}"):
        answer = await raw.send(node, raw.get(node, target, auth))
        assert 400 <= answer.status < 500, answer


async def test_an_absolute_uri_changes_no_target(node: Node, opened: Opened) -> None:
    """``GET http://evil/…`` is answered by this hub or refused, never fetched."""
    auth = f"Authorization: Bearer {opened.token}"
    answer = await raw.send(node, raw.get(node, "http://evil.test/v1/sessions/me", auth))
    assert answer.status in (200, 400, 404, 421)


async def test_bad_credentials_are_401_wherever_they_are_needed(anybody: httpx.AsyncClient, opened: Opened) -> None:
    """No, unknown, cut and swapped tokens on every route of a session."""
    sid, secret = opened.sid, opened.token.partition(".")[2]
    bad = ["x", "hub_st_", f"hub_st_{sid}.{'A' * 43}", f"hub_st_{sid}.{secret[:-1]}", opened.token + "A"]
    bad += [f"hub_st_{'0' * 16}-{'A' * 22}.{secret}", "hub_sk_billing_wrong", "hub_sk__", "a.b.c", opened.token.upper()]
    for token in bad:
        headers = {"Authorization": f"Bearer {token}"}
        for path in ("/v1/sessions/me", "/v1/sessions/me/document", "/v1/sessions", "/v1/users/me/sessions"):
            problem(await anybody.get(path, headers=headers), 401, "unauthenticated")
        problem(await anybody.post("/v1/sessions/me/tickets", headers=headers), 401, "unauthenticated")
    problem(await anybody.get("/v1/sessions/me"), 401, "unauthenticated")
    two = [("Authorization", f"Bearer {opened.token}")] * 2
    problem(await anybody.get("/v1/sessions/me", headers=two), 401, "unauthenticated")


async def test_health_is_public_and_says_nothing_more(anybody: httpx.AsyncClient) -> None:
    """``/healthz``, ``/readyz`` and the public keys."""
    assert good(await anybody.get("/healthz")) == {"status": "ok"}
    said = good(await anybody.get("/readyz"))
    assert said == {"mode": "live", "store": True, "feed": True, "draining": False}
    keys = await anybody.get("/.well-known/jwks.json")
    assert keys.status_code == 200
    for key in keys.json()["keys"]:
        assert (key["kty"], key["alg"], key["use"]) == ("EC", "ES256", "sig")
        assert "d" not in key


async def test_client_files_are_versioned_and_kept(anybody: httpx.AsyncClient) -> None:
    """The entrance is asked for each time and leads to files that never change."""
    entrance = await anybody.get("/client/index.js")
    assert entrance.status_code == 200
    assert entrance.headers["Content-Type"].startswith("text/javascript")
    assert entrance.headers["Cache-Control"] == "no-cache"
    assert entrance.headers["X-Content-Type-Options"] == "nosniff"
    target = entrance.text.split("'")[1].removeprefix("./")
    module = await anybody.get(f"/client/{target}")
    assert module.status_code == 200
    assert "immutable" in module.headers["Cache-Control"]
    again = await anybody.get("/client/index.js", headers={"If-None-Match": entrance.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["", "nothing.js", "../pyproject.toml", "..%2f..%2fpyproject.toml", "%2e%2e/hub/app.py", "/etc/passwd"]
)
async def test_client_files_are_those_of_the_client_only(node: Node, path: str) -> None:
    """No way out of the folder."""
    answer = await raw.send(node, raw.get(node, f"/client/{path}"))
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
