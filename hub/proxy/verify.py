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
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

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

KEY_HEADER = b"x-hub-verify-key"
METHOD_HEADERS = (b"x-forwarded-method", b"x-original-method")
TARGET_HEADERS = (b"x-forwarded-uri", b"x-original-uri")
UPGRADES = (b"upgrade", b"sec-websocket-key")

_ALWAYS = (b"x-hub-session", b"x-hub-user", b"x-hub-sid", b"x-hub-position")
_NOWHERE = hashlib.sha256(b"").hexdigest()


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

    async def __call__(self, request: Request) -> Response:
        """200 and the identity headers, all of them always; else 401, 403, or 503 while nobody can be asked.

        Raises ``NotFound`` for an app that is not there or a key that is not its own, and says no more.
        """
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        app = self._app(request.query_params.get("app", ""), headers.get(KEY_HEADER, b""))
        try:
            session = await self._judge(request, headers, app)
        except (Unauthenticated, OwnSessionEnded):
            if request.query_params.get("redirect") == "1" and self._is_navigation(request, headers):
                return self._to_log_in(request, headers, app)
            raise
        except (Unavailable, Forbidden, CsrfRefused):
            raise
        except HubError as refusal:  # a proxy knows 401, 403 and 503, and makes a failure of its own of the rest
            raise Forbidden(refusal.detail) from refusal
        return self._answer(session, app, request)

    def _app(self, name: str, key: bytes) -> App:
        app = self._apps.get(name)
        digest = hashlib.sha256(key).hexdigest()
        known = app.verify_key_sha256 if app is not None else frozenset({_NOWHERE})
        is_known = False
        for each in known:
            is_known |= hmac.compare_digest(each, digest)
        if app is None or not key or not is_known:
            raise NotFound
        return app

    async def _judge(self, request: Request, headers: Mapping[bytes, bytes], app: App) -> Session | None:
        method = self._method(request, headers)
        door = self._doors.of_app(app.name)
        shown = Credentials.of(
            method,
            request.scope["headers"],
            purpose="proxy",
            address=self._address(request),
            app_origins=(*app.origins, door.url),
        )
        shown = replace(shown, host=door.host, is_upgrade=any(name in headers for name in UPGRADES))
        try:
            session = await visitor.session_of(app, self._authenticate, shown)
        except RateLimited as refusal:
            raise Unauthenticated(refusal.detail) from None
        if session is not None and (method not in SAFE_METHODS or self._is_navigation(request, headers)):
            await self._touch(session)
        return session

    def _answer(self, session: Session | None, app: App, request: Request) -> Response:
        request_id: str = request.scope["state"]["request_id"]
        made = dict.fromkeys(_ALWAYS, b"")
        made |= dict(visitor.headers_for(session, app, self._signer, request_id, request.scope["headers"]))
        made |= {b"cache-control": b"no-store", b"content-length": b"0"}
        response = Response()
        response.raw_headers = list(made.items())
        return response

    def _to_log_in(self, request: Request, headers: Mapping[bytes, bytes], app: App) -> Response:
        """To the log-in at the door where the app is met, and back to where the person wanted to go."""
        target = self._said(request, headers, TARGET_HEADERS)
        parts = urlsplit(target or b"")
        back = parts.path + (b"?" + parts.query if parts.query else b"")
        location = self._doors.of_app(app.name).url + pages.log_in_url(back or b"/")
        return Response(status_code=302, headers={"Location": location, "Cache-Control": "no-store"})

    # what the proxy says of the original request

    def _is_trusted(self, request: Request) -> bool:
        return request.client is not None and request.client.host in self._trusted

    def _said(self, request: Request, headers: Mapping[bytes, bytes], names: Iterable[bytes]) -> bytes | None:
        if not self._is_trusted(request):
            return None
        return next((headers[name] for name in names if name in headers), None)

    def _method(self, request: Request, headers: Mapping[bytes, bytes]) -> str:
        said = self._said(request, headers, METHOD_HEADERS)
        return (said or request.method.encode()).decode("latin-1").upper()

    def _is_navigation(self, request: Request, headers: Mapping[bytes, bytes]) -> bool:
        return self._method(request, headers) in ("GET", "HEAD") and visitor.is_navigation(request.scope)

    def _address(self, request: Request) -> str:
        peer = request.client.host if request.client is not None else ""
        return self._trusted.caller(peer, request.headers.getlist("x-forwarded-for"))
