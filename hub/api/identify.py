"""From an ASGI request to a principal: reads what identity needs, and asks it."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope

from hub.api.access_log import ABOUT
from hub.core.principal import Principal
from hub.core.session import user_tag
from hub.errors import OwnSessionEnded, Unauthenticated
from hub.identity.addresses import TrustedProxies
from hub.identity.authenticator import Authenticator, ReadSession
from hub.identity.credentials import Credentials, Purpose
from hub.identity.doors import Door, Doors
from hub.identity.tickets import Ticket, Tickets, ticket_in


class Identifier:
    """Who is calling, by purpose, and at which door."""

    def __init__(
        self,
        authenticator: Authenticator,
        read: ReadSession,
        tickets: Tickets,
        trusted: TrustedProxies,
        doors: Doors,
    ) -> None:
        self._authenticator, self._read, self._tickets = authenticator, read, tickets
        self._trusted, self._doors = trusted, doors

    def credentials(self, scope: Scope, purpose: Purpose) -> Credentials:
        """What the request shows of its caller."""
        method, address = scope.get("method", "GET"), self.address(scope)
        scope.setdefault("state", {})["address"] = address
        return Credentials.of(method, scope["headers"], purpose=purpose, address=address)

    def address(self, scope: Scope) -> str:
        """Where the request comes from."""
        peer = (scope.get("client") or ("", 0))[0]
        forwarded = Headers(scope=scope).getlist("x-forwarded-for")
        return self._trusted.caller(peer, forwarded)

    async def identify(self, scope: Scope) -> Principal:
        """The caller of an ordinary request."""
        return _noted(scope, await self._authenticator.authenticate(self.credentials(scope, "api")))

    async def identify_stream(self, scope: Scope) -> Principal:
        """The caller of an event stream."""
        return _noted(scope, await self._authenticator.authenticate(self.credentials(scope, "stream")))

    async def identify_socket(self, scope: Scope) -> Principal:
        """The caller of a WebSocket: by ticket, bearer, or cookie with an allowed ``Origin``."""
        ticket = ticket_in(scope.get("subprotocols", []))
        if ticket is None:
            return _noted(scope, await self._authenticator.authenticate(self.credentials(scope, "socket")))
        try:
            return _noted(
                scope, await self._by_ticket(await self._tickets.take(ticket, Headers(scope=scope).get("origin")))
            )
        except (Unauthenticated, OwnSessionEnded) as refusal:
            self._authenticator.refused(self.credentials(scope, "socket"), refusal)
            raise

    async def _by_ticket(self, ticket: Ticket) -> Principal:
        session = await self._read(ticket.sid)
        if session is None:
            raise Unauthenticated("The session of this ticket is not known")
        if (ending := session.ending) is not None:
            raise OwnSessionEnded(sid=session.sid, **ending.to_facts())
        if ticket.as_app is not None:
            return self._authenticator.app_principal(ticket.as_app, ticket.sid)
        return self._authenticator.user_principal(session, ticket.app)

    def operator_of(self, principal: Principal, scope: Scope) -> Principal | None:
        """The same person as an operator, at the operators' door only."""
        return self._authenticator.operator_of(principal) if self.door_of(scope).is_for_operators else None

    def door_of(self, scope: Scope) -> Door:
        """The door the request came to."""
        return self._doors.at(Headers(scope=scope).get("host", ""))


def _noted(scope: Scope, principal: Principal) -> Principal:
    """The caller, noted for the access log where there is one: programs by name, people by their user tag."""
    about = scope.get(ABOUT)
    if about is not None:
        if principal.kind != "user":
            about["actor"] = principal.actor
        if principal.sid is not None:
            about["user"] = user_tag(principal.sid)
        if principal.app is not None:
            about["app"] = principal.app
    return principal
