"""Tickets: one-time proofs for a live connection from where no cookie reaches.

A ticket travels as a WebSocket subprotocol, never in a URL. It is bound to its session, to the ``Origin``
of the request it was made for and to an app, and lives 30 seconds.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import orjson

from hub.errors import Unauthenticated
from hub.identity.once import UsedBefore

TICKET_SECONDS = 30
SUBPROTOCOL_PREFIX = "hub.ticket."


class OnceStore(Protocol):
    """Where tickets are kept until they are used."""

    async def put(self, purpose: Literal["ticket"], value: str, content: bytes, seconds: int) -> None: ...
    async def take(self, purpose: Literal["ticket"], value: str) -> bytes | None: ...
    async def is_claimed(self, purpose: Literal["ticket"], value: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket stands for. ``as_app`` is the app that asked for it, ``app`` the one the tab belongs to."""

    sid: str
    origin: str | None
    app: str | None
    as_app: str | None = None


class Tickets:
    """Makes and takes tickets."""

    def __init__(self, once: OnceStore) -> None:
        self._once = once

    async def make(self, ticket: Ticket) -> str:
        """A new ticket: 43 characters."""
        value = secrets.token_urlsafe(32)
        members = {name: getattr(ticket, name) for name in Ticket.__slots__}
        await self._once.put("ticket", value, orjson.dumps(members), TICKET_SECONDS)
        return value

    async def take(self, value: str, origin: str | None) -> Ticket:
        """Use a ticket. Raises ``Unauthenticated`` for one that is unknown, used, or of another origin."""
        content = await self._once.take("ticket", value)
        if content is None:
            if await self._once.is_claimed("ticket", value):
                raise UsedBefore("This ticket was used before")
            raise Unauthenticated("This ticket is not valid, or not any more")
        ticket = Ticket(**orjson.loads(content))
        if ticket.origin is not None and ticket.origin != origin:
            raise Unauthenticated("This ticket was made for another origin")
        return ticket


def ticket_in(subprotocols: Sequence[str]) -> str | None:
    """The ticket among the subprotocols offered, if any."""
    for name in subprotocols:
        if name.startswith(SUBPROTOCOL_PREFIX):
            return name.removeprefix(SUBPROTOCOL_PREFIX)
    return None
