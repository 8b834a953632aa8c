"""The gateway: one ASGI application in front of all apps.

For each request, in this order: which app, is it well-formed, who is calling, does it slide the idle timer, what of it
goes on, and then it streams. Refusals are raised as ``HubError``; for a person's navigation they become pages here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from hub.core.session import Session, user_tag
from hub.errors import HubError, Maintenance, MethodNotAllowed, NotFound, OwnSessionEnded, Unauthenticated
from hub.identity.cookies import Cookies
from hub.identity.credentials import Credentials
from hub.identity.csrf import SAFE_METHODS
from hub.proxy import headers, pages, visitor
from hub.proxy.connection import Head
from hub.proxy.forward import forward
from hub.proxy.forwarded import Origin, Peers
from hub.proxy.headers import Header
from hub.proxy.measured import Measured
from hub.proxy.ports import App, Authenticate, Follow, Page, Signer, Timings, Touch
from hub.proxy.routing import Routes
from hub.proxy.upstream import Upstream
from hub.proxy.websocket import pass_through

FROM_UPSTREAM = "hub.from_upstream"
"""Set in the scope when the answer is an app's own."""

ABOUT = "hub.about"
"""In the scope where requests are logged: what this is about is put there."""

ALLOWED_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
REFUSED_METHODS = frozenset({"TRACE", "CONNECT"})
STORE_LOST = 4001


@dataclass(frozen=True, slots=True)
class Services:
    """What the gateway asks of other parts (see ``ports``)."""

    authenticate: Authenticate
    signer: Signer
    touch: Touch
    follow: Follow
    page: Page


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, judged: where it goes, for whom, and where it came from."""

    scope: Scope
    app: App
    target: bytes
    origin: Origin
    shown: Credentials
    session: Session | None


class Gateway:
    """Serves the apps of a hub. ``serves`` says which requests are for it; ``scope["state"]`` holds ``request_id``."""

    def __init__(
        self,
        apps: Iterable[App],
        services: Services,
        *,
        cookies: Cookies,
        public_url: str,
        trusted_proxies: Sequence[str] = (),
        timings: Timings | None = None,
    ) -> None:
        known = list(apps)
        self._timings = timings or Timings()
        self._routes, self._peers = Routes(known), Peers(trusted_proxies)
        self._upstreams = {app.name: Upstream(app.upstream, self._timings) for app in known}
        self._services, self._cookies = services, cookies
        self._public_url = public_url.rstrip("/")

    def serves(self, scope: Scope) -> bool:
        """Whether a request is for an app, in whatever spelling."""
        return self._find(scope) is not None

    def open_breakers(self) -> dict[str, float]:
        """By app: 1 where its server is left alone for a while, else 0."""
        return {name: upstream.breaker.is_open for name, upstream in self._upstreams.items()}

    def close(self) -> None:
        """Close the connections to all upstreams."""
        for upstream in self._upstreams.values():
            upstream.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Raises ``HubError`` for the outermost application to tell."""
        app = self._find(scope)
        if app is None:
            raise NotFound
        measured = Measured(app.name)
        send = measured.watch(send)
        try:
            if scope["type"] == "websocket":
                await self._websocket(app, scope, receive, send)
            else:
                await self._http(app, scope, receive, send)
        except HubError as error:
            measured.failed(error)
            if scope["type"] == "websocket" or scope.get(FROM_UPSTREAM) or not visitor.is_navigation(scope):
                measured.refused(error)
                raise
            await self._show(error, app, scope, send)
        finally:
            measured.over()

    def _find(self, scope: Scope) -> App | None:
        return self._routes.find(_raw_path(scope), _host(scope))

    # judging

    async def _judge(self, app: App, scope: Scope) -> _Call:
        if scope.get("method") in REFUSED_METHODS:
            raise MethodNotAllowed(allowed=ALLOWED_METHODS)
        about = scope.get(ABOUT, {})
        about["app"] = app.name
        headers.check_framing(scope["headers"])
        target = self._routes.target(app, _raw_path(scope), scope.get("query_string", b""))
        origin = self._peers.origin_of(scope)
        shown = visitor.credentials_of(scope, app, origin.address, self._own_origins(app))
        session = await visitor.session_of(app, self._services.authenticate, shown)
        if session is not None:
            about["user"] = user_tag(session.sid)
        return _Call(scope, app, target, origin, shown, session)

    def _own_origins(self, app: App) -> list[str]:
        """The origin of an app's own host; an app under a prefix has the hub's."""
        return [f"{urlsplit(self._public_url).scheme}://{app.host}"] if app.host else []

    def _headers(self, call: _Call) -> list[Header]:
        scope = call.scope
        kept = headers.to_upstream(scope["headers"], self._cookies.is_own)
        own = visitor.headers_for(
            call.session, call.app, self._services.signer, scope["state"]["request_id"], scope["headers"]
        )
        return [*kept, *call.origin.headers(), *own]

    def _clean(self, scope: Scope, answer: Sequence[Header]) -> list[Header]:
        kept = headers.to_client(answer, self._cookies.is_own)
        scope[FROM_UPSTREAM] = True
        return kept

    # carrying out

    async def _http(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        call = await self._judge(app, scope)
        if call.session is not None and (scope["method"] not in SAFE_METHODS or visitor.is_navigation(scope)):
            await self._services.touch(call.session)
        made = self._headers(call)
        has_body = headers.has_body(scope["headers"])
        if has_body and not any(name == b"content-length" for name, _ in made):
            made.append((b"transfer-encoding", b"chunked"))
        await forward(
            self._upstreams[app.name],
            Head(scope["method"], call.target, made),
            receive,
            send,
            clean=lambda answer: self._clean(scope, answer),
            has_body=has_body,
            watch=lambda: self._until_refused(call),
        )

    async def _websocket(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        call = await self._judge(app, scope)
        await pass_through(
            self._upstreams[app.name],
            Head("GET", call.target, self._headers(call)),
            receive,
            send,
            clean=lambda answer: self._clean(scope, answer),
            watch=lambda: self._until_over(call.session),
        )

    async def _until_over(self, session: Session | None) -> int:
        """The code to cut with, once the session is over. Without a session nothing is ever cut."""
        if session is None:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")
        return await self._services.follow(session)

    async def _until_refused(self, call: _Call) -> HubError:
        """The refusal that the end of the session makes of this request, once it is over."""
        await asyncio.sleep(self._timings.watch_after)
        code = await self._until_over(call.session)
        if not call.scope.get(FROM_UPSTREAM):
            try:
                await self._services.authenticate(call.shown)  # says why and when, if it can be said
            except HubError as error:
                return error
        return Maintenance() if code == STORE_LOST else OwnSessionEnded()

    # telling a person

    async def _show(self, error: HubError, app: App, scope: Scope, send: Send) -> None:
        body, status, extra = b"", int(error.status), dict(error.headers())
        if isinstance(error, Unauthenticated | OwnSessionEnded):
            query = scope.get("query_string", b"")
            target = _raw_path(scope) + (b"?" + query if query else b"")
            url = pages.log_in_url(target)
            if visitor.is_in_a_frame(scope) or scope["method"] not in ("GET", "HEAD"):
                extra = {}
                body, page = self._services.page(status, *pages.sign_in(url))
            else:
                status, page, extra = 302, {}, {"Location": url}
        else:
            retry = pages.retry_seconds(error, scope["method"])
            said = pages.refusal(error, scope["state"]["request_id"], retry is not None)
            body, page = self._services.page(status, *said, retry)
            if retry is not None:
                extra["Retry-After"] = str(retry)
        made = {name.lower(): value for name, value in {**page, **extra}.items()}
        made |= {"cache-control": "no-store", "content-length": str(len(body))}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in made.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _raw_path(scope: Scope) -> bytes:
    raw: bytes | None = scope.get("raw_path")
    return raw if raw is not None else scope["path"].encode()


def _host(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            host: str = value.decode("latin-1")
            return host
    return ""
