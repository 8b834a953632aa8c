"""What cannot be made of the road to an app: another target, another sender, another user's act, a token for others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from jose import jwt
from shared.context import LEEWAY_SECONDS, BadContext, Caller, ContextReader, Keys

from hub.errors import Unauthenticated
from hub.identity.tokens import ContextSigner, SigningKey
from hub.store.keyring import KeyRing
from tests.identity.worlds import Clock
from tests.security.gate import VERIFY_KEY, Gate, gate_of, refusal
from tests.support.nodes import Cluster
from tests.support.recorder import Recorder
from tests.support.security_log import SecurityLog

pytestmark = pytest.mark.edge

SAID = "203.0.113.77"
FORWARDED = (
    f"X-Forwarded-For: {SAID}",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.test",
    "X-Forwarded-Port: 444",
    "X-Forwarded-Prefix: /apps/open",
    "X-Forwarded-Uri: /apps/open/",
    "X-Forwarded-Method: GET",
    "X-Original-Uri: /apps/open/",
    "X-Real-Ip: 203.0.113.77",
    f'Forwarded: for={SAID};proto=https;host="evil.test"',
)
WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.fixture(scope="module")
def behind(hub_cluster: Cluster) -> Iterator[Gate]:
    """The same hub, which trusts the proxy that this machine is."""
    with gate_of(hub_cluster, HUB_TRUSTED_PROXIES="127.0.0.1") as gate:
        yield gate


async def address_of_a_refusal(gate: Gate, *lines: str) -> str:
    """Under which address a forged credential is written down."""
    log = SecurityLog(gate.cluster, gate.node)
    answer = await gate.get("/v1/sessions/me", "Authorization: Bearer hub_st_forged", *lines)
    assert answer.status == 401
    return str((await log.until("authn_login_fail"))["address"])


async def test_10_what_a_stranger_says_of_where_a_request_came_from_is_not_believed(gate: Gate) -> None:
    """Neither in the log, nor by the app, nor for the log-in's return address, nor for which app is meant."""
    for line in FORWARDED:
        assert await address_of_a_refusal(gate, line) == "127.0.0.1", line
        assert (await gate.get("/apps/a/", line)).status == 401, line
        began = await gate.get("/auth/login", line)
        redirect_uri = parse_qs(urlsplit(began.headers["location"]).query)["redirect_uri"]
        assert redirect_uri == [f"{gate.node.url}/auth/callback"], line
        assert "secure" not in began.headers["set-cookie"].lower(), line
    assert gate.asked() == []
    assert (await gate.get("/apps/open/x", *FORWARDED)).status == 200
    asked = gate.open.last
    assert (asked.target, asked.one("x-forwarded-for"), asked.one("x-real-ip")) == ("/apps/open/x", *["127.0.0.1"] * 2)
    assert (asked.one("x-forwarded-proto"), asked.one("x-forwarded-port")) == ("http", str(gate.node.port))
    assert asked.one("x-forwarded-host") == f"127.0.0.1:{gate.node.port}"
    assert not [line for line in asked.headers if SAID in line[1] or "evil.test" in line[1] or "/apps/open/" in line[1]]


async def test_10_a_trusted_proxy_is_believed_and_decides_nothing_else(behind: Gate) -> None:
    """The control: address, scheme and host are its word; the app, the user and the return address are not."""
    behind.forget()
    assert await address_of_a_refusal(behind, FORWARDED[0]) == SAID
    assert await address_of_a_refusal(behind, f"X-Forwarded-For: 1.2.3.4, {SAID}") == SAID
    assert (await behind.get("/apps/a/", *FORWARDED)).status == 401
    began = await behind.get("/auth/login", *FORWARDED)
    redirect_uri = parse_qs(urlsplit(began.headers["location"]).query)["redirect_uri"]
    assert redirect_uri == [f"{behind.node.url}/auth/callback"]
    assert behind.asked() == []
    assert (await behind.get("/apps/open/", *FORWARDED)).status == 200
    asked = behind.open.last
    assert asked.one("x-forwarded-for") == f"{SAID}, 127.0.0.1"
    assert (asked.one("x-forwarded-proto"), asked.one("x-forwarded-host")) == ("https", "evil.test")


async def test_13_a_context_token_is_good_at_its_own_app_for_a_minute(gate: Gate) -> None:
    """App b refuses what was sent to app a, and a itself does once the minute is over; so does the hub."""
    await gate.get("/apps/a/", gate.cookie)
    token = gate.a.last.one("x-hub-session")
    caller = await accepted(check_of(gate, "a"), token)
    assert caller is not None
    assert (caller.user, caller.sid) == ("ada", gate.opened.sid)
    for other in ("b", "open", "", "A"):
        assert await accepted(check_of(gate, other), token) is None, other
    assert await accepted(check_of(gate, "a", "https://hub.example"), token) is None


async def test_13_a_context_token_is_over_after_61_seconds(gate: Gate) -> None:
    """For the hub after its minute, for apps after the few seconds of leeway they give; a moment before it is good."""
    await gate.get("/apps/a/", gate.cookie)
    token = gate.a.last.one("x-hub-session")
    issued = jwt.get_unverified_claims(token)["iat"]
    ring, clock = KeyRing.load(gate.cluster.ring).context, Clock()
    signer = ContextSigner([SigningKey(ring.active.kid, ring.active.secret, "active")], gate.node.url, clock)
    check = check_of(gate, "a")
    for seconds, is_over, is_over_at_apps in ((59, False, False), (61, True, False), (61 + LEEWAY_SECONDS, True, True)):
        clock.seconds = issued + seconds
        with pytest.raises(Unauthenticated, match="expired") if is_over else nullcontext():
            signer.verify(token, ["a"])
        with later(clock.seconds):
            assert (await accepted(check, token) is None) == is_over_at_apps


def check_of(gate: Gate, app: str, issuer: str = "") -> ContextReader:
    """The check that the demo apps make of each request."""

    async def keys() -> Keys:
        async with httpx.AsyncClient(base_url=gate.node.url) as client:
            found: Keys = (await client.get("/.well-known/jwks.json")).json()["keys"]
            return found

    return ContextReader(issuer=issuer or gate.node.url, app=app, fetch_keys=keys)


async def accepted(check: ContextReader, token: str) -> Caller | None:
    """Whom an app takes the caller for; nobody if it refuses the token."""
    try:
        return await check.read(token)
    except BadContext:
        return None


@contextmanager
def later(seconds: float) -> Iterator[None]:
    """The apps' library for tokens, at another time."""
    with patch.object(jwt, "datetime") as clock:
        clock.now.side_effect = lambda zone=UTC: datetime.fromtimestamp(seconds, zone)
        yield


TARGETS = (
    "/apps/open/x?url={evil}/",
    "/apps/open//{evil_host}/",
    "/apps/open/@{evil_host}/",
    "/apps/open/{evil}/",
    "{evil}/apps/open/x",
    "http://user@{evil_host}/apps/open/x",
    "//{evil_host}/apps/open/x",
    "@{evil_host}/apps/open/x",
    "/apps/open/..//{evil_host}/",
    "/apps/open/%0d%0aHost:%20{evil_host}/",
    "/apps/open@{evil_host}/",
    "/apps/open:80@{evil_host}/",
    "/apps/open/\\\\{evil_host}/",
    "/apps/open#@{evil_host}/",
)
STEERING = (
    "X-Original-URI: {evil}/",
    "X-Original-URL: {evil}/",
    "X-Rewrite-URL: {evil}/",
    "X-Forwarded-Host: {evil_host}",
    "X-Forwarded-Uri: {evil}/",
    "X-Forwarded-Server: {evil_host}",
    "X-Host: {evil_host}",
    'Forwarded: host="{evil_host}"',
    "Destination: {evil}/",
    "Connection: host",
)


async def test_58_nothing_in_a_request_chooses_where_it_goes(gate: Gate) -> None:
    """Only configuration does: no target, Host or header leads to another server, or to another app than the path's."""
    with Recorder() as evil:
        names = {"evil": evil.url, "evil_host": urlsplit(evil.url).netloc}
        for target in TARGETS:
            for host in (None, names["evil_host"]):
                gate.forget()
                answer = await gate.get(target.format(**names), "Connection: close", host=host)
                assert answer.status in ((200, 400, 404, 421) if host is None else (400, 421)), target
                assert all(asked.target.startswith("/apps/open") for asked in gate.asked()), target
        for line in STEERING:
            gate.forget()
            assert (await gate.get("/apps/open/x", line.format(**names))).status == 200, line
            assert [asked.target for asked in gate.asked()] == ["/apps/open/x"], line
            assert gate.open.last.one("host") == f"127.0.0.1:{gate.node.port}", line
        assert (evil.asked, bytes(evil.raw)) == ([], b"")


async def test_64_trace_and_connect_are_refused(gate: Gate) -> None:
    """An app's server or the hub would send back what was sent, the cookie and the token among it."""
    for target in ("/apps/a/", "/apps/open/", "/v1/sessions/me", "/auth/verify?app=a", "/", "/docs"):
        for method in ("TRACE", "CONNECT"):
            answer = await gate.get(target, gate.cookie, "Connection: close", method=method)
            assert answer.status in ((405,) if method == "TRACE" else (400, 405)), (method, target)
            assert gate.opened.token.encode() not in answer.body
    answer = await gate.get("evil.test:443", gate.cookie, "Connection: close", method="CONNECT")
    assert answer.status in (400, 404, 405)
    assert gate.asked() == []


async def test_64_a_browser_reads_no_context_token(gate: Gate) -> None:
    """``/auth/verify`` is not there for whoever has only a cookie or a token, and is for the proxy with its key."""
    own = f"Origin: {gate.node.url}"
    bearer = f"Authorization: Bearer {gate.opened.token}"
    for shown in ([gate.cookie], [gate.cookie, own], [bearer], [gate.cookie, "X-Hub-Verify-Key: wrong"]):
        for app in ("a", "open", "none", ""):
            answer = await gate.get(f"/auth/verify?app={app}", *shown)
            assert refusal(answer) == (404, "not_found"), (shown, app)
            assert "x-hub-session" not in answer.headers
    good = await gate.get("/auth/verify?app=a", gate.cookie, f"X-Hub-Verify-Key: {VERIFY_KEY}")
    assert (good.status, good.body, good.headers["x-hub-user"]) == (200, b"", "ada")


async def test_67_a_sibling_origin_neither_writes_nor_connects_through_the_proxy(gate: Gate) -> None:
    """403, and the app is not asked; the app's own pages may."""
    port = gate.node.port
    foreign = [
        f"Origin: {origin}"
        for origin in (
            f"http://sibling.127.0.0.1:{port}",
            f"https://127.0.0.1:{port}",
            "http://127.0.0.1",
            f"http://localhost:{port}",
            f"{gate.node.url}.evil.test",
            "null",
            "",
        )
    ]
    foreign += [f"Sec-Fetch-Site: {site}" for site in ("same-site", "cross-site", "none")]
    foreign += [f"Origin: {gate.node.url}\r\nSec-Fetch-Site: cross-site", "X-Nothing: 1"]
    for shown in foreign:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = await gate.get("/apps/a/", gate.cookie, shown, "Content-Length: 0", method=method)
            assert refusal(answer) == (403, "csrf"), (method, shown)
        answer = await gate.get("/apps/a/", gate.cookie, shown, *WEBSOCKET)
        assert answer.status == 403, shown
    assert gate.asked() == []
    for shown in (f"Origin: {gate.node.url}", "Sec-Fetch-Site: same-origin"):
        answer = await gate.get("/apps/a/", gate.cookie, shown, "Content-Length: 0", method="POST")
        assert answer.status == 200, shown
        await gate.get("/apps/a/", gate.cookie, shown, *WEBSOCKET)  # no WebSocket there, but it was asked
    assert len(gate.a.asked) == 4


async def test_71_an_unknown_host_reaches_nothing(gate: Gate) -> None:
    """421 for every name that is not the hub's: a page of another name has resolved to this address."""
    right = f"127.0.0.1:{gate.node.port}"
    for host in (
        "evil.test",
        f"evil.test:{gate.node.port}",
        "127.0.0.1",
        "127.0.0.1:1",
        f"{right}.",
        f"a@{right}",
        " ",
    ):
        for target in ("/", "/healthz", "/v1/sessions/me", "/apps/a/", "/apps/open/", "/auth/login", "/nothing"):
            lines = (gate.cookie, f"X-Forwarded-Host: {right}")
            answer = await gate.get(target, *lines, host=host)
            assert refusal(answer) == (421, "unknown_host"), (host, target)
        answer = await gate.get("/v1/sessions/me/live", gate.cookie, *WEBSOCKET, host=host)
        assert answer.status == 421, host
    twice = await gate.get("/apps/open/", "Host: evil.test", "Connection: close")
    assert twice.status in (400, 421)
    assert gate.asked() == []
