"""Tokens that providers send to the hub by themselves: whose they are, and that they are what they have to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hub.core.json import Object
from hub.core.ports import Clock
from hub.errors import Unauthenticated
from hub.identity import claims as rules
from hub.identity.claims import Kind
from hub.identity.compact import Compact
from hub.identity.jwks import ProviderDirectory
from hub.identity.providers import Provider
from hub.identity.tokens import verify


class ProviderTokens:
    """Finds the provider a token names, and verifies the token with that provider's keys."""

    def __init__(self, directories: Iterable[tuple[Provider, ProviderDirectory]], clock: Clock) -> None:
        self._by_issuer = {provider.issuer: (provider, directory) for provider, directory in directories}
        self._clock = clock

    async def verify(self, token: Compact, kind_of: Callable[[Provider], Kind]) -> tuple[Provider, Object, float]:
        """Provider, claims, and the time (seconds) they were judged at. Raises ``Unauthenticated``."""
        issuer = token.claims.get("iss")
        found = self._by_issuer.get(issuer) if isinstance(issuer, str) else None
        if found is None:
            raise Unauthenticated("The token is from another issuer")
        provider, directory = found
        kind, now = kind_of(provider), self._clock.now_ms() / 1000
        rules.check(token, kind, now)  # before the key is asked for: nonsense costs the provider nothing
        return provider, verify(token, await directory.key_for(token), kind, now), now
