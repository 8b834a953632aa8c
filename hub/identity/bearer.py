"""Bearer log-in: a native client shows a fresh token of a configured provider and gets a session for it, once.

A token with a ``nonce`` was issued to one browser log-in and opens nothing here; so an ID token that leaked from the
browser flow is worthless, and a token meant for this is worthless in the browser flow.
"""

from __future__ import annotations

import math

from hub.errors import RateLimited, Unauthenticated
from hub.identity import claims as rules
from hub.identity.buckets import Buckets
from hub.identity.claims import Kind
from hub.identity.compact import Compact, parse
from hub.identity.jwk import ALGORITHMS
from hub.identity.log_ins import Proven, proven
from hub.identity.once import Once, UsedBefore
from hub.identity.provider_tokens import ProviderTokens
from hub.identity.providers import Provider
from hub.telemetry.security import SecurityEvent, note

MAX_AGE_SECONDS = 300
TYPES = frozenset({"", "jwt", "at+jwt"})


def kind_of(provider: Provider) -> Kind:
    """What a token for bearer log-in must be: an access token (RFC 9068), or a plain JWT for an accepted audience."""
    audiences = provider.audiences or frozenset({provider.client_id})
    return Kind(
        issuer=provider.issuer,
        audiences=audiences,
        types=TYPES,
        algorithms=frozenset(ALGORITHMS),
        parties=audiences | {provider.client_id},
        max_age_seconds=MAX_AGE_SECONDS,
    )


class BearerLogIn:
    """Checks such tokens. Bad ones cost a token of the caller's address in ``failures``."""

    def __init__(self, tokens: ProviderTokens, once: Once, failures: Buckets) -> None:
        self._tokens, self._once, self._failures = tokens, once, failures

    async def verify(self, token: str, *, address: str, agent: str = "") -> Proven:
        """Who the token proves. From here on it is used; ``release`` it if no session comes of it.

        Raises ``Unauthenticated``, ``RateLimited``, ``ProviderUnavailable``, and what the store raises.
        """
        try:
            return await self._verify(parse(token), agent)
        except Unauthenticated as refusal:
            if wait_seconds := self._failures.take(address):
                note(SecurityEvent.EXCESS_RATE_LIMIT_EXCEEDED, address=address, purpose="bearer", why="bad credentials")
                raise RateLimited(
                    "Too many bad credentials from this address", retry_after_seconds=wait_seconds
                ) from None
            is_replay = isinstance(refusal, UsedBefore)
            event = SecurityEvent.AUTHN_TOKEN_REUSE if is_replay else SecurityEvent.AUTHN_LOGIN_FAIL
            note(event, address=address, purpose="bearer", why=refusal.detail)
            raise

    async def release(self, proof: Proven) -> None:
        """No session was opened: the token may be tried again."""
        await self._once.release("bearer", proof.digest)

    async def _verify(self, token: Compact, agent: str) -> Proven:
        provider, claims, now = await self._tokens.verify(token, kind_of)
        issued = rules.seconds(claims, "iat")
        proof = proven(provider, claims, began_ms=issued * 1000, agent=agent, digest=token.digest)
        if not await self._once.claim("bearer", token.digest, math.ceil(issued + MAX_AGE_SECONDS - now) + 1):
            raise UsedBefore("The token was used before; get a fresh one")
        return proof
