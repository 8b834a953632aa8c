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
from hub.errors import OwnSessionEnded, RateLimited, Unauthenticated
from hub.identity.authenticator import Authenticator
from hub.identity.buckets import Buckets
from hub.identity.cookies import Cookies
from hub.identity.credentials import Credentials, Purpose
from hub.identity.csrf import FormProofs
from hub.identity.doors import Door, Doors
from hub.identity.oidc import Oidc
from hub.identity.session_tokens import SessionTokens


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
        if wait_seconds := self.log_ins.take(self.address_of(request.scope)):
            raise RateLimited("Too many log-ins from this address for now", retry_after_seconds=wait_seconds)
