"""What a caller cannot say to an app and an app cannot say to a browser, from socket to socket."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from tests.security.gate import Gate
from tests.support.recorder import Asked
from tests.support.tabs import log_in

pytestmark = pytest.mark.edge

OWN = ("x-hub-position", "x-hub-session", "x-hub-sid", "x-hub-user")
LIE = "mallory"

COOKIES = (
    ("hub={token}; other=1", "other=1"),
    ("other=1; hub={token}", "other=1"),
    ("a=1; hub={token}; b=2", "a=1; b=2"),
    ("hub={token};other=1;__Host-hub={token}", "other=1"),
    ("hub={token}; hub_tx_3=sealed; __Host-hub_tx_1=sealed; x=y", "x=y"),
    ("hub={token}; hubble=1; my_hub=2; hub-x=3", "hubble=1; my_hub=2; hub-x=3"),
    ("HUB=x; hub={token}; __HOST-HUB=x; other=1", "other=1"),
    ("hub={token}", ""),
)

SET_COOKIES = (
    "hub=planted",
    "hub=planted; Path=/",
    "__Host-hub=planted; Secure; Path=/",
    "__host-HUB=planted; Secure; Path=/",
    " hub=planted",
    "hub =planted",
    "\thub\t=planted",
    "=hub=planted",
    "hub",
    "hub_tx_1=planted",
    "__Host-hub_tx_2=planted; Secure; Path=/",
    "hub=; Max-Age=0",
)

SPOOFS: tuple[str | bytes, ...] = (
    f"X-Hub-User: {LIE}",
    f"x-hub-user: {LIE}",
    f"x_hub_user: {LIE}",
    f"X_HUB_USER: {LIE}",
    f"X-HUB_Session: {LIE}",
    f"X.Hub.Sid: {LIE}",
    f"X-Hub!User: {LIE}",
    f"x-Hub-uSeR: {LIE}",
    f"X-Hub-User: {LIE}\r\nX-Hub-User: {LIE}",
    f"X-Hub-User: {LIE}\r\nx_hub_user: {LIE}\r\nX-HUB-USER: {LIE}",
    f"X-Hub-User:{LIE}",
    f"X-Hub-User:\t {LIE} \t",
    f"X-Hub-Anything: {LIE}",
    f"X-Hub-: {LIE}",
    f"X-Hub-Session: {LIE}\r\nX-Hub-Sid: {LIE}\r\nX-Hub-Position: {LIE}",
    f"Connection: X-Hub-User\r\nX-Hub-User: {LIE}",
    f"Connection: close, x_hub_user\r\nx_hub_user: {LIE}",
    f"Connection: keep-alive\r\nConnection: X-Hub-Session, X-Hub-Sid\r\nX-Hub-Session: {LIE}",
    f"TE: trailers, {LIE}\r\nX-Hub-User: {LIE}",
    f"Remote-User: {LIE}",
    f"REMOTE_USER: {LIE}",
    f"X-Remote-User: {LIE}",
    f"X-Forwarded-User: {LIE}",
    f"x_forwarded_user: {LIE}",
    f"X-Forwarded-Email: {LIE}",
    f"X-Auth-Request-User: {LIE}",
    f"X-Authentik-Username: {LIE}",
    f"X-Webauth-User: {LIE}",
    f"Ssl-Client-S-Dn: {LIE}",
    f"Cf-Access-Authenticated-User-Email: {LIE}",
    f"X-Goog-Authenticated-User-Email: {LIE}",
    f"X-Original-User: ok\r\nX-Authenticated-User: {LIE}",
    f"Proxy: {LIE}",
    f"X-Request-Id: {LIE}",
    f"Content_Length: 7\r\nX-Hub-User: {LIE}",
    f"Authorization: Bearer hub_st_{LIE}",
)
"""Each goes on without the lie, or is refused."""

MALFORMED: tuple[str | bytes, ...] = (
    f"X-Hub-User : {LIE}",
    f" X-Hub-User: {LIE}",
    f"X-Hub-User\t: {LIE}",
    f"X-Hub-User\x00: {LIE}",
    f"X-Hub\x00-User: {LIE}",
    f"X-Other: x\r\n X-Hub-User: {LIE}",
    f"X-Other: x\r\n\tX-Hub-User: {LIE}",
    f"X-Other: x\nX-Hub-User: {LIE}",
    f"X-Other: x\rX-Hub-User: {LIE}",
    f"X-Other: x\x00\r\nX-Hub-User: {LIE}",
    f"X-Hub-User: {LIE}\x00",
    f": {LIE}",
    f"X-Hub-User {LIE}",
    f"(X-Hub-User): {LIE}",
    f"X-Hub\u2010User: {LIE}".encode(),
    f"Х-Hub-User: {LIE}".encode(),
    f"X-Hub-Uſer: {LIE}".encode(),
    f"X-Hub-Usér: {LIE}".encode("latin-1"),
    f"X-Hub\u00adUser: {LIE}".encode(),
    f"\ufeffX-Hub-User: {LIE}".encode(),
)
"""No requests: what another parser might read as the header."""


def identity(asked: Asked) -> list[str]:
    """The names under which any server could find the hub's headers, as often as they came."""
    return sorted(name.lower() for name, _ in asked.headers if "hub" in name.lower())


def lies(asked: Asked) -> list[tuple[str, str]]:
    """Headers that say what the attacker wanted said."""
    return [(name, value) for name, value in asked.headers if LIE in value.lower() or LIE in name.lower()]


async def test_06_an_app_never_sees_the_hubs_cookies(gate: Gate) -> None:
    """Neither session nor transactions, in any place and spelling; the others are kept as they are, in order."""
    for sent, kept in COOKIES:
        answer = await gate.get("/apps/a/", f"Cookie: {sent.format(token=gate.opened.token)}")
        assert answer.status == 200, sent
        assert gate.a.last.all("cookie") == ([kept] if kept else []), sent
        assert gate.opened.token.encode() not in gate.a.raw
    answer = await gate.get("/apps/a/", f"Authorization: Bearer {gate.opened.token}")
    assert answer.status == 200
    assert gate.opened.token.encode() not in gate.a.raw


async def test_07_an_app_cannot_set_the_hubs_cookies(gate: Gate) -> None:
    """Nor clear them, nor what only the hub may say; its own cookies pass."""
    for value in SET_COOKIES:
        gate.forget()
        gate.a.more[:] = ["Set-Cookie: theme=dark", f"Set-Cookie: {value}", "Set-Cookie: last=1"]
        raw = await gate.talk(gate.request("/apps/a/", gate.cookie, "Connection: close"))
        head = raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        set_here = [line.partition(":")[2].strip() for line in head if line.lower().startswith("set-cookie")]
        assert set_here == ["theme=dark", "last=1"], value
    gate.a.more[:] = [f"X-Hub-Session: {LIE}", "Clear-Site-Data: *", "Service-Worker-Allowed: /", "X-Hub-Response: 1"]
    answer = await gate.get("/apps/a/", gate.cookie)
    assert answer.status == 200
    assert not {"x-hub-session", "clear-site-data", "service-worker-allowed", "x-hub-response"} & answer.headers.keys()


async def test_08_identity_headers_are_the_hubs_alone(gate: Gate) -> None:
    """Whatever a signed-in caller sends, an app hears each of them once, and from the hub."""
    for spoof in SPOOFS:
        gate.forget()
        answer = await gate.get("/apps/a/", gate.cookie, "X-Kept: yes", spoof)
        if answer.status != 200:
            assert (answer.status, gate.asked()) == (401, []), spoof
            continue
        asked = gate.a.last
        assert asked.one("x-kept") == "yes"
        assert identity(asked) == list(OWN), spoof
        assert (asked.one("x-hub-user"), asked.one("x-hub-sid")) == ("ada", gate.opened.sid)
        assert not lies(asked), spoof


async def test_08_nobody_gets_an_identity_by_saying_so(gate: Gate) -> None:
    """On an app that takes anonymous requests there is none of these headers, whatever was sent."""
    for spoof in SPOOFS:
        gate.forget()
        answer = await gate.get("/apps/open/", "X-Kept: yes", spoof)
        assert answer.status == 200, spoof
        assert gate.open.last.one("x-kept") == "yes"
        assert identity(gate.open.last) == [], spoof
        assert not lies(gate.open.last), spoof


async def test_08_what_another_parser_might_read_as_such_a_header_does_not_pass(gate: Gate) -> None:
    """Folded, with blanks or NUL, parted by a bare CR or LF, in look-alike letters: refused, and no app is asked."""
    for target, cookie in (("/apps/a/", [gate.cookie]), ("/apps/open/", [])):
        for spoof in MALFORMED:
            gate.forget()
            answer = await gate.get(target, *cookie, spoof, "Connection: close")
            assert answer.status == 400, spoof
            assert gate.asked() == [], spoof


async def test_09_connection_cannot_take_the_hubs_headers_away(gate: Gate) -> None:
    """What it names is dropped only if it is the caller's own; framing, cookies and the hub's headers stay."""
    names = (*OWN, "x-request-id", "traceparent", "x-forwarded-for", "x-forwarded-host", "host")
    values = [
        *names,
        *(name.upper() for name in names),
        ", ".join(names),
        f"close, {', '.join(names)}",
        "keep-alive, X-Hub-Session,,x-hub-user , X_Hub_Sid",
        "Cookie, Authorization, Content-Length, Host, X-Hub-Session",
    ]
    for value in values:
        gate.forget()
        answer = await gate.get("/apps/a/", f"{gate.cookie}; other=1", "X-Own: 1", f"Connection: {value}, X-Own")
        assert answer.status == 200, value
        asked = gate.a.last
        for name in names:
            assert len(asked.all(name)) == 1, (value, name)
        assert identity(asked) == list(OWN), value
        assert (asked.all("x-own"), asked.all("cookie")) == ([], ["other=1"]), value


@pytest.mark.parametrize(
    "user",
    [
        "ada\r\nX-Hub-User: root",
        "ada\nSet-Cookie: x=y",
        "ada\r",
        "ada\x0b\x0c\x1f\x7f",
        "ада ☃ 日本",
        "50% ada",
        "100%41da%0d%0a",
        'a"d,a;=\\',
        "\u2028ada\u0085",
    ],
)
async def test_70_a_claim_cannot_become_a_header(gate: Gate, user: str) -> None:
    """Whatever a provider puts into ``sub`` is one header of plain ASCII, and decodes to itself."""
    opened = await log_in(gate.cluster, gate.node, user, name=user)
    answer = await gate.get("/apps/a/", f"Cookie: hub={opened.token}", "Connection: close")
    assert answer.status == 200
    asked = gate.a.last
    assert identity(asked) == list(OWN)
    said = asked.one("x-hub-user")
    assert said.isascii()
    assert said.isprintable()
    assert unquote(said) == user
    assert not asked.all("set-cookie")
