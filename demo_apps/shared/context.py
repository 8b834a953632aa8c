"""Who is calling, according to the hub: the context token in ``X-Hub-Session``, verified.

The plain headers beside it (``X-Hub-User`` and the like) are conveniences that anybody who reaches this server directly
could send. Only the token is signed, so only the token is believed.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jose import jwt
from jose.exceptions import JOSEError

ALGORITHM = "ES256"
TOKEN_TYPE = "hub-session+jwt"
TOKEN_LIMIT_BYTES = 16 * 1024
LEEWAY_SECONDS = 5
REFETCH_SECONDS = 5.0
_COMPACT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")
_REQUIRED = ("iss", "aud", "sub", "exp", "iat")

Keys = list[dict[str, Any]]


class BadContext(Exception):
    """The token is missing or not one the hub made for this app now."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The session a request belongs to. ``token`` is good as a bearer at the hub for about a minute.

    ``document`` holds this app's sections, or is None when they did not fit into the token.
    """

    user: str
    sid: str
    position: str
    grants: Mapping[str, str]
    document: Mapping[str, Any] | None
    token: str


class ContextReader:
    """Verifies tokens for one app. ``fetch_keys`` gets the hub's JWK set; an unknown key asks it again, seldom."""

    def __init__(
        self,
        *,
        issuer: str,
        app: str,
        fetch_keys: Callable[[], Awaitable[Keys]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer, self._app = issuer, app
        self._fetch_keys = fetch_keys
        self._clock = clock
        self._keys: dict[str, dict[str, Any]] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def read(self, token: str | None) -> Caller:
        """The caller this token stands for. Raises `BadContext`, and what ``fetch_keys`` raises."""
        if not token:
            raise BadContext("There is no X-Hub-Session header: this app is meant to be opened through the hub.")
        if len(token) > TOKEN_LIMIT_BYTES or not _COMPACT.fullmatch(token):
            raise BadContext("The context token is not a compact JWS.")
        key = await self._key(_header_of(token))
        return self._caller(token, self._claims(token, key))

    async def _key(self, header: Mapping[str, Any]) -> dict[str, Any]:
        kid = header.get("kid")
        if header.get("alg") != ALGORITHM or header.get("typ") != TOKEN_TYPE or "crit" in header:
            raise BadContext("The context token has the wrong kind or algorithm.")
        if not isinstance(kid, str):
            raise BadContext("The context token names no key.")
        async with self._fetching:  # requests that come while the keys are fetched wait for them
            if kid not in self._keys and self._clock() - self._fetched_at >= REFETCH_SECONDS:
                self._keys = _usable(await self._fetch_keys())
                self._fetched_at = self._clock()
        if kid not in self._keys:
            raise BadContext("The context token is signed with a key the hub does not list.")
        return self._keys[kid]

    def _claims(self, token: str, key: dict[str, Any]) -> dict[str, Any]:
        options = {f"require_{claim}": True for claim in _REQUIRED} | {"leeway": LEEWAY_SECONDS}
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=[ALGORITHM], audience=self._app, issuer=self._issuer, options=options
            )
        except (JOSEError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise BadContext(f"The context token does not verify: {error}") from error
        if claims["aud"] != self._app:
            raise BadContext("The context token is for another app.")
        return claims

    def _caller(self, token: str, claims: Mapping[str, Any]) -> Caller:
        sid, position, grants = claims.get("sid"), claims.get("pos"), claims.get("grants")
        document = claims.get("document")
        if not (isinstance(sid, str) and isinstance(position, str) and isinstance(grants, dict)):
            raise BadContext("The context token lacks its session.")
        if document is not None and not isinstance(document, dict):
            raise BadContext("The context token carries no document object.")
        return Caller(claims["sub"], sid, position, grants, document, token)


def _usable(keys: Keys) -> dict[str, dict[str, Any]]:
    """The P-256 keys by ``kid``."""
    fitting = [key for key in keys if (key.get("kty"), key.get("crv")) == ("EC", "P-256")]
    return {key["kid"]: key for key in fitting if isinstance(key.get("kid"), str)}


def _header_of(token: str) -> Mapping[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
    except (JOSEError, ValueError, TypeError, RecursionError) as error:
        raise BadContext("The context token has no readable header.") from error
    if not isinstance(header, dict):
        raise BadContext("The context token has no readable header.")
    return header
