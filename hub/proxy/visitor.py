"""Who a proxied request is for, and what its app is told about them.

Headers about the user are made here and nowhere else, from the session as it was read after the request came.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote

from starlette.types import Scope

from hub.core.principal import Principal
from hub.core.session import Session
from hub.errors import Forbidden, OwnSessionEnded, Unauthenticated
from hub.identity.authenticator import with_identity
from hub.identity.credentials import Credentials
from hub.proxy.headers import Header, RawHeaders
from hub.proxy.ports import App, Authenticate, Signer

_PLAIN = "!#$&'()*+,-./:;=?@[]^_`{|}~"  # stays as it is in X-Hub-User; "%" does not, so decoding is exact
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NAVIGATION = b"navigate"
_FRAMES = frozenset({b"iframe", b"frame", b"embed", b"object"})


def credentials_of(scope: Scope, app: App, address: str, own_origins: Iterable[str]) -> Credentials:
    """What the request shows of who is calling. ``own_origins`` are those of the app itself."""
    is_upgrade = scope["type"] == "websocket"
    shown = Credentials.of(
        scope.get("method", "GET"),
        scope["headers"],
        purpose="proxy",
        address=address,
        app_origins=(*app.origins, *own_origins),
    )
    return replace(shown, is_upgrade=is_upgrade)


async def session_of(app: App, authenticate: Authenticate, shown: Credentials) -> Session | None:
    """The session the request rests on; ``None`` where the app takes requests without. Raises ``HubError``."""
    try:
        principal = await authenticate(shown)
    except (Unauthenticated, OwnSessionEnded):
        if app.anonymous:
            return None
        raise
    return _session(principal, app)


def _session(principal: Principal, app: App) -> Session | None:
    if principal.session is not None and principal.kind == "user":
        return principal.session
    if app.anonymous:
        return None
    raise Forbidden("Apps are for users; services call the hub itself")


def headers_for(session: Session | None, app: App, signer: Signer, request_id: str, came: RawHeaders) -> list[Header]:
    """The gateway's own request headers: context, conveniences, and what ties logs together."""
    made: list[tuple[str, str]] = []
    if session is not None:
        grants = with_identity(app.grants, always=False)
        document = {name: value for name, value in session.document.items() if name in grants}
        token = signer.sign(
            sid=session.sid,
            user=session.user,
            position=session.position,
            app=app.name,
            grants=grants,
            document=document,
        )
        made += [
            ("x-hub-session", token),
            ("x-hub-user", plain(session.user)),
            ("x-hub-sid", session.sid),
            ("x-hub-position", str(session.position)),
        ]
    made.append(("x-request-id", request_id))
    return [(name.encode(), value.encode("ascii")) for name, value in made] + trace(came)


def plain(text: str) -> str:
    """``text`` for a header: printable ASCII as it is, everything else (and ``%``) percent-encoded as UTF-8."""
    return quote(text, safe=_PLAIN, errors="replace")


def trace(headers: RawHeaders) -> list[Header]:
    """``traceparent`` (W3C Trace Context): the caller's trace goes on with a new parent, or one begins."""
    came = [value.decode("latin-1").strip() for name, value in headers if name == b"traceparent"]
    match = _TRACEPARENT.fullmatch(came[0]) if len(came) == 1 else None
    parent = secrets.token_hex(8)
    if match is None or not int(match[1], 16) or not int(match[2], 16):
        return [(b"traceparent", f"00-{secrets.token_hex(16)}-{parent}-01".encode())]
    state = [(name, value) for name, value in headers if name == b"tracestate"]
    return [(b"traceparent", f"00-{match[1]}-{parent}-{match[3]}".encode()), *state]


def is_navigation(scope: Scope) -> bool:
    """Whether a person's browser is going somewhere: it says so, or (an old one) asks for HTML."""
    if scope["type"] != "http":
        return False
    headers: dict[bytes, bytes] = dict(scope["headers"])
    if (mode := headers.get(b"sec-fetch-mode")) is not None:
        return mode == _NAVIGATION
    says_nothing = not any(name.startswith(b"sec-fetch-") for name in headers)
    return says_nothing and scope["method"] == "GET" and b"text/html" in headers.get(b"accept", b"").lower()


def is_in_a_frame(scope: Scope) -> bool:
    """Whether the navigation is that of a frame inside another page."""
    return any(name == b"sec-fetch-dest" and value in _FRAMES for name, value in scope["headers"])
