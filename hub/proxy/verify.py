"""``GET /auth/verify``: the judgement of a proxied request, for another proxy that asks before it forwards one.

Only a proxy that shows the app's verify key is answered: a browser must never read a context token. Who somebody is
follows from cookie or bearer alone; what the proxy says of the original request is believed from ``trusted_proxies``
only, and decides no more than whether the idle timer slides, whether the Origin rule for unsafe methods applies, and
where a log-in leads back to.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from starlette.types import Receive, Scope, Send

from hub.core.session import Session
from hub.errors import (
    CsrfRefused,
    Forbidden,
    HubError,
    NotFound,
    OwnSessionEnded,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from hub.identity.addresses import TrustedProxies
from hub.identity.credentials import Credentials
from hub.identity.csrf import SAFE_METHODS
from hub.identity.doors import Doors
from hub.proxy import pages, visitor
from hub.proxy.ports import App, Authenticate, Signer, Touch
from hub.telemetry import metrics

KEY_HEADER = b"x-hub-verify-key"
METHOD_HEADERS = (b"x-forwarded-method", b"x-original-method")
TARGET_HEADERS = (b"x-forwarded-uri", b"x-original-uri")
UPGRADES = (b"upgrade", b"sec-websocket-key")

_NOBODY = dict.fromkeys((b"x-hub-session", b"x-hub-user", b"x-hub-sid", b"x-hub-position"), b"")
_NO_KEYS = frozenset({hashlib.sha256(b"").hexdigest()})


class Verify:
    """The handler; put together once, at start-up."""

    def __init__(
        self,
        apps: Iterable[App],
        *,
        authenticate: Authenticate,
        signer: Signer,
        touch: Touch,
        doors: Doors,
        trusted: TrustedProxies,
    ) -> None:
        self._apps = {app.name: app for app in apps}
        self._authenticate, self._signer, self._touch = authenticate, signer, touch
        self._doors, self._trusted = doors, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. 200 and the identity headers, all of them always; else 401, 403, or 503 while nobody can be asked.

        Raises ``NotFound`` for an app that is not there or a key that is not its own, and says no more.
        """
        asked = _Asked(scope, self._trusted)
        app = self._app(asked)
        try:
            status, made = await self._judged(asked, app)
        except HubError as error:
            metrics.VERIFIED.add(app.name, metrics.status_class(error.status))
            raise
        metrics.VERIFIED.add(app.name, metrics.status_class(status))
        await _answer(send, status, made)

    async def _judged(self, asked: _Asked, app: App) -> tuple[int, Mapping[bytes, bytes]]:
        """Status and headers of the answer."""
        try:
            session = await self._judge(asked, app)
        except (Unauthenticated, OwnSessionEnded):
            if asked.wants_redirect and asked.is_navigation:
                return 302, self._to_log_in(asked, app)
            raise
        except (Unavailable, Forbidden, CsrfRefused):
            raise
        except HubError as refusal:  # a proxy knows 401, 403 and 503, and makes a failure of its own of the rest
            raise Forbidden(refusal.detail) from refusal
        request_id: str = asked.scope["state"]["request_id"]
        made = visitor.headers_for(session, app, self._signer, request_id, asked.scope["headers"])
        return 200, _NOBODY | dict(made)

    def _app(self, asked: _Asked) -> App:
        app, key = self._apps.get(asked.app), asked.headers.get(KEY_HEADER, b"")
        digest = hashlib.sha256(key).hexdigest()
        is_known = False
        for each in app.verify_key_sha256 if app is not None else _NO_KEYS:
            is_known |= hmac.compare_digest(each, digest)
        if app is None or not key or not is_known:
            raise NotFound
        return app

    async def _judge(self, asked: _Asked, app: App) -> Session | None:
        door = self._doors.of_app(app.name)
        shown = Credentials.of(
            asked.method,
            asked.scope["headers"],
            purpose="proxy",
            address=asked.address,
            app_origins=(*app.origins, door.url),
        )
        shown = replace(shown, host=door.host, is_upgrade=any(name in asked.headers for name in UPGRADES))
        try:
            session = await visitor.session_of(app, self._authenticate, shown)
        except RateLimited as refusal:
            raise Unauthenticated(refusal.detail) from None
        if session is not None and (asked.method not in SAFE_METHODS or asked.is_navigation):
            await self._touch(session)
        return session

    def _to_log_in(self, asked: _Asked, app: App) -> dict[bytes, bytes]:
        """To the log-in at the door where the app is met, and back to where the person wanted to go."""
        parts = urlsplit(asked.said(TARGET_HEADERS) or b"")
        back = parts.path + (b"?" + parts.query if parts.query else b"")
        location = self._doors.of_app(app.name).url + pages.log_in_url(back or b"/")
        return {b"location": location.encode("latin-1")}


class _Asked:
    """What a proxy asks: its own request, and what it says of the original one, if it is trusted to."""

    def __init__(self, scope: Scope, trusted: TrustedProxies) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        query = parse_qs(scope["query_string"].decode("latin-1"))
        self.app = query.get("app", [""])[0]
        self.wants_redirect = query.get("redirect") == ["1"]
        peer = (scope.get("client") or ("", 0))[0]
        self._is_trusted = peer in trusted
        forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        self.address = trusted.caller(peer, forwarded) if self._is_trusted else peer
        self.method = (self.said(METHOD_HEADERS) or scope["method"].encode()).decode("latin-1").upper()

    def said(self, names: Iterable[bytes]) -> bytes | None:
        """The first of these headers that a trusted proxy sent."""
        if not self._is_trusted:
            return None
        return next((self.headers[name] for name in names if name in self.headers), None)

    @property
    def is_navigation(self) -> bool:
        """Whether a person is going somewhere."""
        return self.method in ("GET", "HEAD") and visitor.is_navigation(self.scope)


async def _answer(send: Send, status: int, headers: Mapping[bytes, bytes]) -> None:
    whole = [*headers.items(), (b"cache-control", b"no-store"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": whole})
    await send({"type": "http.response.body", "body": b""})
