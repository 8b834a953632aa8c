"""What of a request's and an answer's headers crosses the gateway. Pure; names are lower case, as ASGI has them.

The order matters: first everything goes that is about one connection, or that ``Connection`` names; then everything
that could pass for identity; then the hub's own secrets; and only then the gateway's own headers are set, so that
nothing a caller sends can remove or double them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from hub.errors import Malformed, UpstreamFailed

Header: TypeAlias = tuple[bytes, bytes]
RawHeaders: TypeAlias = Sequence[Header]
IsOwnCookie: TypeAlias = Callable[[str], bool]

HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings", b"expect",
})  # fmt: skip
"""RFC 9110 §7.6.1, what older clients send, and ``Expect``, which the server in front has answered."""

_IDENTITY = frozenset({
    "remote-user", "remote-name", "remote-email", "remote-groups", "x-user", "x-user-id", "x-username",
    "x-email", "x-real-ip", "x-client-ip", "x-remote-user", "x-remote-group", "x-remote-groups", "x-remote-email",
    "x-authenticated-user", "x-authenticated-userid", "x-webauth-user", "x-authenticated-groups", "true-client-ip",
    "cf-connecting-ip", "x-cluster-client-ip", "x-original-uri", "x-original-url", "x-original-method", "x-rewrite-url",
    "x-client-cert", "ssl-client-cert", "forwarded", "proxy", "x-request-id", "traceparent", "tracestate",
})  # fmt: skip
_IDENTITY_PREFIXES = (
    "x-hub-", "x-forwarded-", "x-auth-request-", "x-authentik-", "x-ms-client-principal", "x-goog-authenticated-user-",
    "x-goog-iap-", "x-amzn-oidc-", "x-ssl-client-", "ssl-client-", "cf-access-", "tailscale-user-", "x-pomerium-",
)  # fmt: skip
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection", "cookie", "authorization", "upgrade",
                      "origin", "referer"})  # fmt: skip
_KEPT_FROM_CONNECTION = frozenset({b"host", b"content-length", b"cookie", b"authorization", b"origin"})

_HUB_BEARER = re.compile(rb"\bbearer\s+hub_", re.IGNORECASE)
_TICKET = b"hub.ticket."
_NOT_IN_A_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_COOKIE_NAME = re.compile(rb"[ \t]*([^=; \t]*)[ \t]*(?:=|;|$)")
_OWN_ANSWERS = frozenset({b"service-worker-allowed", b"clear-site-data", b"x-request-id", b"date"})
"""``Date`` is written by the server in front; the others are the hub's to say."""


def normalised(name: bytes) -> str:
    """A name as the most forgiving server would read it: lower case, everything else a dash."""
    return re.sub(r"[^a-z0-9]", "-", name.decode("latin-1").lower())


def check_framing(headers: RawHeaders) -> None:
    """Refuse a request whose length can be read in two ways (RFC 9112 §6.1, §6.3). Raises ``Malformed``."""
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if lengths and codings:
        raise Malformed("Content-Length and Transfer-Encoding exclude each other")
    if len(lengths) > 1 or any(not re.fullmatch(rb"[0-9]{1,18}", value) for value in lengths):
        raise Malformed("Content-Length has to be one number")
    if codings not in ([], [b"chunked"]):
        raise Malformed("Transfer-Encoding may only be chunked")


def to_upstream(headers: RawHeaders, is_own_cookie: IsOwnCookie) -> list[Header]:
    """What of a request's headers goes on to an app. Framing and the gateway's own are for the caller to add."""
    named = _named_by_connection(headers) - _KEPT_FROM_CONNECTION
    kept: list[Header] = []
    for name, value in headers:
        if name in HOP_BY_HOP or name in named or _is_identity(name):
            continue
        if name == b"cookie":
            value = without_cookies(value, is_own_cookie)
            if not value:
                continue
        elif name == b"authorization" and _HUB_BEARER.search(value):
            continue
        elif name == b"sec-websocket-protocol":
            value = without_tickets(value)
            if not value:
                continue
        kept.append((name, value))
    return kept


def to_client(headers: RawHeaders, is_own_cookie: IsOwnCookie) -> list[Header]:
    """What of an app's answer goes back. Raises ``UpstreamFailed`` for a value that no server may write."""
    named = _named_by_connection(headers)
    kept: list[Header] = []
    for name, value in headers:
        name = name.lower()
        if name in HOP_BY_HOP or name in named or name in _OWN_ANSWERS or normalised(name).startswith("x-hub-"):
            continue
        if name == b"set-cookie" and is_own_cookie(_set_name(value.lstrip(b"= \t"))):
            continue
        if _NOT_IN_A_VALUE.search(value):
            raise UpstreamFailed("The app sent a header that cannot be passed on")
        kept.append((name, value))
    return kept


def without_cookies(value: bytes, is_own_cookie: IsOwnCookie) -> bytes:
    """A ``Cookie`` value without the hub's own; the others byte for byte, in order."""
    parts = value.split(b";")
    kept = [part for part in parts if not is_own_cookie(_set_name(part))]
    if len(kept) == len(parts):
        return value
    return b";".join(kept).strip(b" \t")


def without_tickets(value: bytes) -> bytes:
    """A list of subprotocols without the hub's tickets."""
    offered = [part.strip() for part in value.split(b",")]
    return b", ".join(part for part in offered if part and not part.lower().startswith(_TICKET))


def _set_name(cookie: bytes) -> str:
    """The name of a cookie; one without ``=`` counts as a name, since servers differ about it."""
    match = _COOKIE_NAME.match(cookie)
    return match[1].decode("latin-1") if match else ""


def _named_by_connection(headers: RawHeaders) -> frozenset[bytes]:
    values: Iterable[bytes] = (value for name, value in headers if name.lower() == b"connection")
    return frozenset(part.strip().lower() for value in values for part in value.split(b","))


def _is_identity(name: bytes) -> bool:
    plain = normalised(name)
    if plain in _IDENTITY or plain.startswith(_IDENTITY_PREFIXES):
        return True
    return plain in _FRAMING and plain != name.decode("latin-1")


def has_body(headers: RawHeaders) -> bool:
    """Whether a body follows the request's head."""
    return any(name == b"transfer-encoding" or (name == b"content-length" and int(value)) for name, value in headers)
