"""What the log-in routes are given, and the few questions all of them ask about a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.types import Scope

from hub.core.json import Object
from hub.core.ports import Ended
from hub.core.principal import Principal
from hub.core.session import LogIn, Session
from hub.errors import HubError, OwnSessionEnded, RateLimited, Unauthenticated
from hub.identity.authenticator import Authenticator, ReadSession
from hub.identity.buckets import Buckets
from hub.identity.cookies import Cookies
from hub.identity.credentials import Credentials, Purpose
from hub.identity.csrf import FormProofs
from hub.identity.doors import Door, Doors
from hub.identity.handover import Handovers
from hub.identity.oidc import Oidc
from hub.identity.session_tokens import SessionTokens
from hub.identity.transactions import LogInFailed, LogInUsed, Transactions
from hub.telemetry.security import SecurityEvent, note


class Sessions(Protocol):
    """The use cases that log-in and log-out need (``hub.sessions``)."""

    async def open(
        self,
        *,
        log_in: LogIn,
        verifier_for: Callable[[str], tuple[str, bytes]],
        identity: Object,
        request_id: str,
        id_token: str = "",
    ) -> tuple[Session, str]: ...

    def id_token_of(self, session: Session) -> str: ...

    async def end(self, principal: Principal, sid: str, *, detail: str = "", request_id: str = "") -> Ended: ...

    async def end_user(
        self,
        principal: Principal,
        issuer: str,
        user: str,
        *,
        spared: str | None = None,
        detail: str = "",
        request_id: str = "",
    ) -> Ended: ...


@dataclass(frozen=True, slots=True)
class AuthDeps:
    """Everything the routes stand on. ``check_open`` raises if no session can be opened now (store not writable).

    ``clear_site_data`` is the header of that name (W3C Clear Site Data) in the answer to a log-out, ``""`` for none.
    """

    oidc: Oidc
    transactions: Transactions
    handovers: Handovers
    read: ReadSession
    sessions: Sessions
    authenticator: Authenticator
    tokens: SessionTokens
    cookies: Cookies
    proofs: FormProofs
    log_ins: Buckets
    address_of: Callable[[Scope], str]
    check_open: Callable[[], None]
    doors: Doors
    clear_site_data: str

    def credentials(self, request: Request, purpose: Purpose) -> Credentials:
        """What the request shows of who is calling."""
        return Credentials.of(
            request.method, request.headers.raw, purpose=purpose, address=self.address_of(request.scope)
        )

    def door_of(self, request: Request) -> Door:
        """The door the request came to."""
        return self.doors.at(request.headers.get("host", ""))

    async def caller(self, request: Request, purpose: Purpose) -> Principal:
        """Who is calling; raises as ``Authenticator.authenticate`` does."""
        return await self.authenticator.authenticate(self.credentials(request, purpose))

    async def visitor(self, request: Request) -> Principal | None:
        """The user with a live session in this browser, if there is one. A store that cannot be asked raises."""
        try:
            principal = await self.caller(request, "page")
        except (Unauthenticated, OwnSessionEnded, RateLimited):
            return None
        return principal if principal.via_cookie else None

    def limit_log_ins(self, request: Request) -> None:
        """Raises ``RateLimited`` for too many log-ins and callbacks from one address."""
        address = self.address_of(request.scope)
        if wait_seconds := self.log_ins.take(address):
            note(SecurityEvent.EXCESS_RATE_LIMIT_EXCEEDED, address=address, purpose="log-in", why="too many log-ins")
            raise RateLimited("Too many log-ins from this address for now", retry_after_seconds=wait_seconds)

    def log_in_failed(self, request: Request, error: HubError, purpose: str) -> None:
        """Write down a log-in that somebody's fault has ended; what is nobody's fault is no security event."""
        cause = error.__cause__
        why = cause.detail if isinstance(cause, HubError) else error.detail
        if isinstance(error, LogInFailed | Unauthenticated):
            event = SecurityEvent.AUTHN_TOKEN_REUSE if isinstance(error, LogInUsed) else SecurityEvent.AUTHN_LOGIN_FAIL
            note(event, address=self.address_of(request.scope), purpose=purpose, why=why)
