"""Logout tokens: a provider says that a session of its own is over (OIDC Back-Channel Logout 1.0 §2.4–2.6)."""

from __future__ import annotations

from dataclasses import dataclass

from hub.errors import Unauthenticated
from hub.identity.claims import Kind
from hub.identity.compact import parse
from hub.identity.jwk import ALGORITHMS
from hub.identity.once import Once, UsedBefore
from hub.identity.provider_tokens import ProviderTokens
from hub.identity.providers import Provider

MAX_AGE_SECONDS = 120
REMEMBERED_SECONDS = 600  # longer than any such token is young enough


@dataclass(frozen=True, slots=True)
class LogoutOrder:
    """What is to be ended: the sessions that ``idp_sid`` opened or, without it, all of ``user``."""

    provider: str
    issuer: str
    idp_sid: str | None
    user: str | None
    jti: str


def kind_of(provider: Provider) -> Kind:
    """What a logout token of this provider must be."""
    return Kind(
        issuer=provider.issuer,
        audiences=frozenset({provider.client_id}),
        types=frozenset({"logout+jwt"}),
        algorithms=frozenset(ALGORITHMS),
        required=("exp", "iat", "iss", "jti"),
        parties=frozenset({provider.client_id}),
        max_age_seconds=MAX_AGE_SECONDS,
        is_logout=True,
    )


class LogoutTokens:
    """Checks logout tokens. A token counts once, and only once it has done what it says."""

    def __init__(self, tokens: ProviderTokens, once: Once) -> None:
        self._tokens, self._once = tokens, once

    async def check(self, text: str) -> LogoutOrder:
        """What the token orders. Raises ``Unauthenticated``, also for one that was carried out before."""
        provider, said, _ = await self._tokens.verify(parse(text), kind_of)
        if "sid" not in said and "sub" not in said:
            raise Unauthenticated("The token names neither a session nor a user")
        order = LogoutOrder(provider.name, provider.issuer, said.get("sid"), said.get("sub"), said["jti"])
        if await self._once.is_claimed("logout", _name(order)):
            raise UsedBefore("The token was used before")
        return order

    async def done(self, order: LogoutOrder) -> None:
        """It was carried out: the same token orders nothing any more."""
        await self._once.claim("logout", _name(order), REMEMBERED_SECONDS)


def _name(order: LogoutOrder) -> str:
    return f"{order.issuer} {order.jti}"
