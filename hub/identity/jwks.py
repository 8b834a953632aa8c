"""A provider's signature keys: fetched, kept, and fetched again when a token names a key that is not among them.

Anybody can send tokens with made-up key names. So all callers together cause one extra fetch in 30 s, names that were
looked for in vain are remembered, and a valid token of a known key never waits for any of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from hub.errors import Unauthenticated
from hub.identity.bounded import Bounded
from hub.identity.compact import Compact
from hub.identity.fetching import FetchFailed, fetch_json
from hub.identity.jwk import ALGORITHMS, Jwk, has_kid, is_ambiguous, pick, usable_keys
from hub.identity.providers import Metadata, Provider
from hub.identity.refreshed import Refreshed
from hub.telemetry import metrics

EXTRA_FETCH_SECONDS = 30.0
UNKNOWN_SECONDS = 300.0
MOST_UNKNOWN = 128
ANSWERED_SECONDS = 2.0


class ProviderDirectory:
    """What one provider publishes: its endpoints and its keys. Raises ``ProviderUnavailable`` if it never answered."""

    def __init__(
        self, provider: Provider, client: httpx.AsyncClient, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._provider, self._client, self._monotonic = provider, client, monotonic
        self._metadata = Refreshed("metadata", provider.name, self._fetch_metadata, monotonic)
        self._keys = Refreshed("keys", provider.name, self._fetch_keys, monotonic)
        self._extra_at: float | None = None
        self._unknown: Bounded[str, bool] = Bounded(MOST_UNKNOWN)

    async def metadata(self) -> Metadata:
        """Its endpoints."""
        return await self._metadata.get()

    async def metadata_to_go_to(self) -> Metadata:
        """The same for sending a person there, who would see a broken page: raises also if it does not answer now."""
        return await self._metadata.confirmed(ANSWERED_SECONDS)

    async def key_for(self, token: Compact) -> Jwk:
        """The key that ``token`` names. Raises ``Unauthenticated`` if the provider does not publish it."""
        if token.algorithm not in ALGORITHMS:
            raise Unauthenticated("The token's signature is of a kind that is not accepted")
        before = self._keys.fetches
        keys = await self._keys.get()
        is_new = self._keys.fetches != before
        if not is_new and not has_kid(keys, token.kid) and await self._looked_again(token.kid or ""):
            keys = await self._keys.get()
        key = pick(keys, token.kid, token.algorithm)
        if key is None:
            metrics.UNKNOWN_KEYS.add(self._provider.name)
            raise Unauthenticated("The token is signed with a key that is not known here")
        return key

    async def _looked_again(self, kid: str) -> bool:
        """Fetch the keys once more for ``kid``, unless that was done just now."""
        now = self._monotonic()
        if self._unknown.get(kid, now):
            return False
        if self._extra_at is not None and now - self._extra_at < EXTRA_FETCH_SECONDS and not self._keys.is_fetching:
            return False
        if not self._keys.is_fetching:
            self._extra_at = now
        if not await self._keys.refresh():
            return False
        if not has_kid(await self._keys.get(), kid):
            self._unknown.put(kid, True, now + UNKNOWN_SECONDS)
        return True

    async def _fetch_metadata(self) -> Metadata:
        said = await fetch_json(self._client, self._provider.discovery_url)
        return Metadata.read(said, self._provider.issuer)

    async def _fetch_keys(self) -> tuple[Jwk, ...]:
        metadata = await self._metadata.get()
        keys = usable_keys(await fetch_json(self._client, metadata.jwks_uri))
        if not keys:
            raise FetchFailed("no usable key in it")
        if is_ambiguous(keys):
            raise FetchFailed("two keys of one kid in it")
        return keys
