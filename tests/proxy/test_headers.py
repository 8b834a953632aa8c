"""Header hygiene: what a caller cannot say to an app, and an app cannot say to a browser."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from hub.errors import Malformed, UpstreamFailed
from hub.identity.cookies import Cookies
from hub.proxy import headers, visitor
from tests.identity.worlds import SID
from tests.proxy.stage import app, echo, hub, served, talk

OWN = Cookies(secure=True).is_own

SPOOFS = [
    "X-Hub-User: root",
    "x-hub-user: root",
    "X_Hub_User: root",
    "x_hub_user: root",
    "X-HUB_User: root",
    "X.Hub.User: root",
    "X!Hub|User: root",
    "X-Hub-User: root\r\nX-Hub-User: root",
    "X-Hub-Session: root",
    "X_HUB_SESSION: root",
    "x-hub-sid: root",
    "X-Hub-Position: root",
    "X-Hub-Anything: root",
    "X-Hub-: root",
    "Remote-User: root",
    "REMOTE_USER: root",
    "Remote-Groups: root",
    "X-Remote-User: root",
    "X-Forwarded-User: root",
    "X_Forwarded_User: root",
    "X-Forwarded-Email: root",
    "X-Forwarded-Groups: root",
    "X-Forwarded-Access-Token: root",
    "X-Forwarded-For: root",
    "X-Forwarded-Host: root",
    "X-Forwarded-Uri: root",
    "X-Forwarded-Prefix: root",
    "X-Forwarded-Client-Cert: root",
    "Forwarded: for=root",
    "X-Auth-Request-User: root",
    "X-Authentik-Username: root",
    "X-Webauth-User: root",
    "X-Real-IP: root",
    "X-Original-URL: /root",
    "X-Rewrite-URL: /root",
    "X-Request-Id: root",
    "Proxy: http://root",
    "Proxy-Authorization: root",
    "Content_Length: root",
    "Transfer_Encoding: root",
    "Connection: X-Hub-User, X-Hub-Session\r\nX-Hub-User: root",
    "Connection: close, x-secret\r\nX-Secret: root",
    "Sec-WebSocket-Protocol: hub.ticket.root",
    "Cookie: __Host-hub_tx_1=root; __host-HUB=root",
]


@pytest.mark.parametrize("is_anonymous", [True, False])
async def test_no_spoofed_header_reaches_an_app(is_anonymous: bool) -> None:
    """Each attempt on a socket of its own: the word they all carry never arrives, and the hub's own headers do."""
    assert len(SPOOFS) >= 30
    async with served(echo) as port, hub(app(port, anonymous=is_anonymous)) as stage:
        session = "" if is_anonymous else f"Cookie: __Host-hub={stage.world.token}\r\n"
        for spoof in SPOOFS:
            lines = f"GET /apps/a/ HTTP/1.1\r\nHost: hub.example.com\r\n{session}{spoof}\r\n"
            closing = "" if spoof.startswith("Connection") else "Connection: close\r\n"
            if spoof.startswith("Connection: X"):
                lines = lines.replace("Connection: ", "Connection: close, ")
            reply = await talk(stage.port, f"{lines}{closing}\r\n".encode())
            told = [tuple(header) for header in reply.json()["headers"]]
            assert reply.status == 200, spoof
            assert not [header for header in told if "root" in header[1]], spoof
            sids = [value for name, value in told if name == "x-hub-sid"]
            assert sids == ([] if is_anonymous else [SID]), spoof


async def test_connection_cannot_remove_what_the_gateway_sets() -> None:
    """Nor the framing, nor what tells the app who is calling."""
    named = "close, X-Hub-Session, X-Hub-Sid, X-Request-Id, X-Forwarded-For, Host, Content-Length, Cookie"
    async with served(echo) as port, hub(app(port)) as stage:
        cookie = f"__Host-hub={stage.world.token}; a=1"
        reply = await stage.get(
            "/apps/a/", "PUT", "12345", Connection=named, Cookie=cookie, Origin="https://hub.example.com"
        )
        told = {name for name, _ in reply.json()["headers"]}
        assert reply.json()["length"] == 5
        assert {"x-hub-session", "x-hub-sid", "x-request-id", "x-forwarded-for", "host", "cookie"} <= told


@pytest.mark.parametrize(
    ("came", "kept"),
    [
        ("a=1", "a=1"),
        ("__Host-hub=x", ""),
        ("a=1; __Host-hub=x; b=2", "a=1; b=2"),
        ("__Host-hub=x; a=1", "a=1"),
        ("a=1;__Host-hub=x", "a=1"),
        ("a=1;  __Host-hub=x;b = 2 ;c", "a=1;b = 2 ;c"),
        ("hub=x; a=1", "a=1"),
        ("__Host-hub_tx_17=x; a=1", "a=1"),
        ("hub_tx_1=x; hubcap=1; my__Host-hub=2", "hubcap=1; my__Host-hub=2"),
        ('a="x y"; __Host-hub=t;; b=\xff', 'a="x y";; b=\xff'),
        (" b=1 ; c", " b=1 ; c"),
        ("__Host-hub", ""),
        ("__Host-hub =x", ""),
    ],
)
def test_cookies_of_others_stay_byte_for_byte(came: str, kept: str) -> None:
    assert headers.without_cookies(came.encode("latin-1"), OWN).decode("latin-1") == kept


@pytest.mark.parametrize(
    "raw",
    [
        [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")],
        [(b"content-length", b"3"), (b"content-length", b"3")],
        [(b"content-length", b"3, 3")],
        [(b"content-length", b"+3")],
        [(b"content-length", b"-1")],
        [(b"content-length", b"")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"xchunked")],
        [(b"transfer-encoding", b"identity")],
    ],
)
def test_a_length_that_can_be_read_in_two_ways_is_refused(raw: list[headers.Header]) -> None:
    with pytest.raises(Malformed):
        headers.check_framing(raw)


SMUGGLED = b"GET /apps/a/smuggled HTTP/1.1\r\nHost: hub.example.com\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 4\r\nContent-Length: 60\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Content-Length: 0x4\r\n",
        b" Content-Length: 4\r\n",
    ],
)
async def test_nothing_is_smuggled_to_an_app(framing: bytes) -> None:
    """Raw sockets: a request whose end is in doubt gets 400 and never reaches an upstream."""
    asked: list[str] = []

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await echo(scope, receive, send)

    async with served(counting) as port, hub(app(port, anonymous=True)) as stage:
        head = b"POST /apps/a/first HTTP/1.1\r\nHost: hub.example.com\r\n" + framing + b"\r\n0\r\n\r\n"
        reply = await talk(stage.port, head + SMUGGLED)
        assert reply.status == 400
        assert asked == []


FROM_APPS = [
    ("Set-Cookie", "__Host-hub=evil; Path=/; Secure"),
    ("Set-Cookie", "hub=evil; Path=/"),
    ("Set-Cookie", "__HOST-HUB=evil"),
    ("Set-Cookie", "__Host-hub_tx_1=evil"),
    ("Set-Cookie", "hub_tx_9=evil"),
    ("Set-Cookie", " __Host-hub =evil"),
    ("Set-Cookie", "=__Host-hub=evil"),
    ("Set-Cookie", "__Host-hub"),
    ("X-Hub-Response", "evil"),
    ("X_Hub_User", "evil"),
    ("x-hub-session", "evil"),
    ("Service-Worker-Allowed", "/evil"),
    ("Clear-Site-Data", '"evil"'),
    ("X-Request-Id", "evil"),
    ("Connection", "close, x-secret"),
    ("X-Secret", "evil"),
    ("Keep-Alive", "timeout=evil"),
    ("Upgrade", "evil"),
    ("Proxy-Authenticate", "evil"),
    ("Trailer", "evil"),
]


def test_an_app_cannot_say_what_only_the_hub_says() -> None:
    """Nothing of the hub's names comes through; the app's own cookies and headers do, in order."""
    own = [(b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"hubcap=2"), (b"etag", b'"1"'), (b"location", b"/apps/a")]
    said = [(name.encode(), value.encode()) for name, value in FROM_APPS]
    assert headers.to_client([*own, *said], OWN) == own


@pytest.mark.parametrize("value", [b"a\x00b", b"a\rb", b"a\nb", b"a\x0bb", b"\x7f"])
def test_a_header_that_no_server_may_write_fails_the_answer(value: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        headers.to_client([(b"x", value)], OWN)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ada", "ada"),
        ("auth0|5f7c8e@x.org", "auth0|5f7c8e@x.org"),
        ("Zoë", "Zo%C3%AB"),
        ("山田", "%E5%B1%B1%E7%94%B0"),
        ("a\r\nX-Hub-Sid: evil", "a%0D%0AX-Hub-Sid:%20evil"),
        ("100%", "100%25"),
        ("\x00\x7f\u2028", "%00%7F%E2%80%A8"),
        ("\ud800", "?"),
    ],
)
def test_a_name_that_is_not_plain_is_percent_encoded(name: str, told: str) -> None:
    assert visitor.plain(name) == told


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_name_is_one_line_of_ascii_and_can_be_read_back(name: str) -> None:
    told = visitor.plain(name)
    assert told.isascii()
    assert all("!" <= character <= "~" for character in told)
    assert unquote(told) == name


async def test_a_name_with_a_line_break_makes_one_header() -> None:
    async with served(echo) as port, hub(app(port)) as stage:
        known = stage.world.sessions[SID]
        stage.world.sessions[SID] = replace(known, log_in=replace(known.log_in, user="ada\r\nX-Hub-Sid: evil\u00e9"))
        told = (await stage.get("/apps/a/", **stage.cookie)).json()["headers"]
        assert ["x-hub-user", "ada%0D%0AX-Hub-Sid:%20evil%C3%A9"] in told
        assert ["x-hub-sid", SID] in told


@pytest.mark.parametrize(
    ("came", "kept"),
    [
        (b"chat, hub.ticket.abc", b"chat"),
        (b"hub.ticket.abc", b""),
        (b"HUB.ticket.x,chat ,, v2", b"chat, v2"),
    ],
)
def test_tickets_are_not_offered_to_apps(came: bytes, kept: bytes) -> None:
    assert headers.without_tickets(came) == kept


@pytest.mark.parametrize(
    ("value", "is_kept"),
    [
        ("Basic YTpi", True),
        ("Bearer eyJ.x.y", True),
        ("Bearer hubcap", True),
        ("Bearer hub_st_x.y", False),
        ("bearer   hub_sk_x_y", False),
        ("BEARER\thub_", False),
        ("Basic x, Bearer hub_sk_x", False),
    ],
)
def test_only_the_hubs_own_authorization_stays_here(value: str, is_kept: bool) -> None:
    came = [(b"authorization", value.encode())]
    assert headers.to_upstream(came, OWN) == (came if is_kept else [])


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@pytest.mark.parametrize("came", ["", "rubbish", f"00-{'0' * 32}-00f067aa0ba902b7-01", TRACE.upper(), TRACE + "-x"])
def test_a_trace_that_is_none_begins_anew(came: str) -> None:
    made = dict(visitor.trace([(b"traceparent", came.encode()), (b"tracestate", b"x=1")]))
    assert list(made) == [b"traceparent"]
    assert made[b"traceparent"].decode().split("-")[1] not in came


def test_the_callers_trace_goes_on() -> None:
    """Same trace, a new parent, its state."""
    made = dict(visitor.trace([(b"traceparent", TRACE.encode()), (b"tracestate", b"x=1")]))
    version, trace_id, parent, flags = made[b"traceparent"].decode().split("-")
    assert (version, trace_id, flags) == ("00", TRACE[3:35], "00")
    assert parent != TRACE[36:52]
    assert made[b"tracestate"] == b"x=1"
