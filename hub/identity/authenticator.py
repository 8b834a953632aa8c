"""From credentials to a principal: the one place where the hub decides who is calling.

``Authorization`` present: cookies are not looked at. A refusal never says which part was wrong. Bad credentials cost a
token of the caller's address; good ones never do, so nobody is locked out by a neighbour's guessing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from hub.core.access import IDENTITY, Grants, Right, narrow
from hub.core.principal import Principal
from hub.core.session import Session
from hub.errors import CsrfRefused, OwnSessionEnded, RateLimited, Unauthenticated
from hub.identity import csrf, services, session_tokens
from hub.identity.buckets import Buckets
from hub.identity.cookies import Cookies
from hub.identity.credentials import Credentials
from hub.identity.doors import Door, Doors
from hub.identity.once import UsedBefore
from hub.identity.operators import Operators
from hub.identity.origins import Origins, check_live
from hub.identity.services import Services
from hub.identity.session_tokens import SessionTokens
from hub.identity.tokens import ContextSigner
from hub.telemetry.security import SecurityEvent, note


class ReadSession(Protocol):
    """The store's ``read``: the session as it is, live or its tombstone."""

    async def __call__(self, sid: str, /) -> Session | None: ...


@dataclass(frozen=True, slots=True)
class Allowed:
    """Who may do what, as configured: the sections of browsers, and of each app."""

    browser: Grants
    apps: Mapping[str, Grants] = field(default_factory=dict)


def with_identity(grants: Grants, *, always: bool) -> dict[str, Right]:
    """Nobody writes the section ``identity``. With ``always`` it may be read without being named (browsers)."""
    own: dict[str, Right] = dict(grants)
    if always or IDENTITY in own:
        own[IDENTITY] = "read"
    return own


class Authenticator:
    """Put together once, at start-up. ``read`` is asked after every request: no node has its own idea of a session."""

    def __init__(
        self,
        *,
        read: ReadSession,
        tokens: SessionTokens,
        contexts: ContextSigner,
        services: Services,
        operators: Operators,
        cookies: Cookies,
        doors: Doors,
        allowed: Allowed,
        failures: Buckets,
    ) -> None:
        self._read, self._tokens, self._contexts = read, tokens, contexts
        self._services, self._operators = services, operators
        self._cookies, self._doors, self._failures = cookies, doors, failures
        self._browser = with_identity(allowed.browser, always=True)
        self._apps = {name: with_identity(grants, always=False) for name, grants in allowed.apps.items()}

    async def authenticate(self, request: Credentials) -> Principal:
        """Who is calling.

        Raises ``Unauthenticated``, ``OwnSessionEnded`` (facts ``reason``, ``ended_at``), ``CsrfRefused``,
        ``RateLimited`` for too many bad credentials, and what the store raises when it cannot be asked.
        """
        try:
            bearer = request.bearer
            cookie = None if bearer is not None else self._cookies.session_token(request.cookies)
            if bearer is None and cookie is None:
                return self._nobody(request)
            if bearer is not None:
                return await self._by_bearer(bearer, request.host)
            self._check_cookie_use(request)
            return await self._own_user(cookie or "", request.host, via_cookie=True)
        except (CsrfRefused, OwnSessionEnded, Unauthenticated) as refusal:
            self.refused(request, refusal)
            raise

    def operator_of(self, principal: Principal) -> Principal | None:
        """The operator that this caller is, or ``None`` (see ``operators``)."""
        return self._operators.operator_of(principal)

    def user_principal(self, session: Session, app: str | None = None) -> Principal:
        """The user of a live session, proven by something else than a credential (a ticket); as a tab of ``app`` only.

        Raises ``Unauthenticated`` if the app is not configured any more.
        """
        user = self._user(session, via_cookie=False)
        return user if app is None else self._within(user, app)

    def app_principal(self, app: str, sid: str) -> Principal:
        """An app as configured now, for one session. Raises ``Unauthenticated`` if it is not configured any more."""
        if app not in self._apps:
            raise Unauthenticated("This app is not known here")
        return Principal(kind="app", name=app, grants=self._apps[app], sid=sid, app=app)

    # the kinds of proof

    def _nobody(self, request: Credentials) -> Principal:
        if request.purpose in ("socket", "stream") and request.origin is not None:
            self._check_cookie_use(request)  # a foreign page is told the same with and without a cookie
        raise _Nobody("No credential came with this request")

    async def _by_bearer(self, token: str, host: str) -> Principal:
        if token.startswith(session_tokens.PREFIX):
            return await self._own_user(token, host, via_cookie=False)
        if token.startswith(services.PREFIX):
            return self._service(token)
        context = self._contexts.verify(token, self._apps)
        return self.app_principal(context.app, context.sid)

    async def _own_user(self, token: str, host: str, *, via_cookie: bool) -> Principal:
        sid, door = session_tokens.sid_of(token), self._doors.at(host)
        session = await self._read(sid) if sid is not None else None
        if session is None or not self._is_proof(token, session, door):
            raise Unauthenticated("This credential is not known here")
        if (ending := session.ending) is not None:
            raise OwnSessionEnded(sid=session.sid, **ending.to_facts())
        user = self._user(session, via_cookie=via_cookie)
        return user if door.app is None else self._within(user, door.app)

    def _is_proof(self, token: str, session: Session, door: Door) -> bool:
        if door.app is not None:
            return self._tokens.is_proof_at_app(token, session.sid, session.verifier, door.name)
        return self._tokens.is_proof(token, session.verifier, door.name)

    def _within(self, user: Principal, app: str) -> Principal:
        """The user as somebody who sees and does what this app may."""
        grants = narrow(user.grants, self.app_principal(app, user.sid or "").grants)
        return replace(user, app=app, grants=grants)

    def _user(self, session: Session, *, via_cookie: bool) -> Principal:
        return Principal(
            kind="user",
            name=session.user,
            grants=self._browser,
            sid=session.sid,
            session=session,
            via_cookie=via_cookie,
        )

    def _service(self, key: str) -> Principal:
        service = self._services.of_key(key)
        if service is None:
            raise Unauthenticated("This credential is not known here")
        grants = with_identity(service.grants, always=False)
        return Principal(
            kind="service", name=service.name, grants=grants, may_list=service.may_list, may_end=service.may_end
        )

    # what a cookie needs beside it

    def _check_cookie_use(self, request: Credentials) -> None:
        seen = {"origin": request.origin, "sec_fetch_site": request.sec_fetch_site}
        origins = self._origins(request)
        if request.purpose in ("socket", "stream"):
            check_live(origins, **seen, is_stream=request.purpose == "stream")
            return
        is_unsafe = request.method not in csrf.SAFE_METHODS
        if request.purpose == "page" or not (is_unsafe or (request.purpose == "proxy" and request.is_upgrade)):
            return
        csrf.check_origin(origins, **seen)
        if request.purpose == "api":
            csrf.check_header(request.csrf_header)
            if request.has_body:
                csrf.check_media_type(request.content_type)

    def _origins(self, request: Credentials) -> Origins:
        """Those whose pages may act for the user here."""
        return self._doors.at(request.host).origins.with_app(request.app_origins)

    # what is written down

    def refused(self, request: Credentials, refusal: CsrfRefused | OwnSessionEnded | Unauthenticated) -> None:
        """Write down a refused credential, once. Bad ones are counted: raises ``RateLimited`` when they are many."""
        match refusal:
            case _Nobody():
                return
            case CsrfRefused():
                is_foreign = request.origin is not None and request.origin not in self._origins(request)
                event = SecurityEvent.MALICIOUS_CORS if is_foreign else SecurityEvent.CSRF_REFUSED
            case OwnSessionEnded():
                event = SecurityEvent.SESSION_USE_AFTER_EXPIRE
            case _:
                if wait_seconds := self._failures.take(request.address):
                    self._note(SecurityEvent.EXCESS_RATE_LIMIT_EXCEEDED, request, "bad credentials")
                    raise RateLimited("Too many bad credentials from this address", retry_after_seconds=wait_seconds)
                is_replay = isinstance(refusal, UsedBefore)
                event = SecurityEvent.AUTHN_TOKEN_REUSE if is_replay else SecurityEvent.AUTHN_LOGIN_FAIL
        self._note(event, request, refusal.detail)

    def _note(self, event: SecurityEvent, request: Credentials, why: str) -> None:
        note(event, address=request.address, purpose=request.purpose, why=why)


class _Nobody(Unauthenticated):
    """No credential came, which is no failed attempt."""
