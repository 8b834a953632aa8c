"""The one place that knows python-jose: signatures of JWTs are checked and made here, and nowhere else.

python-jose leaves much to its caller. So a token is taken apart and held against its kind's rules *before* and beside
it (``compact``, ``claims``), it gets exactly one key, already chosen (``jwk``), and whatever it raises is a 401.
PS* and EdDSA are not supported; keys inside or behind a token (``jwk``, ``jku``, ``x5u``) are never looked at.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jose import jwk as jose_jwk
from jose import jws, jwt
from jose.backends.cryptography_backend import CryptographyECKey, CryptographyRSAKey

from hub.core.access import Grants
from hub.core.json import Object, dumps
from hub.core.looking import LookAgain, nowhere
from hub.core.ports import Clock
from hub.core.position import Position
from hub.core.session import is_sid
from hub.errors import ConfigurationError, Unauthenticated
from hub.identity import claims as rules
from hub.identity.bounded import Bounded
from hub.identity.claims import Kind
from hub.identity.compact import Compact, parse
from hub.identity.jwk import Jwk, has_kid, pick, usable_keys

CONTEXT_TYPE = "hub-session+jwt"
CONTEXT_ALGORITHM = "ES256"
CONTEXT_SECONDS = 60
MAX_DOCUMENT_BYTES = 4096
CACHED_SECONDS = 60
CACHED_TOKENS = 4096
_ALL_TIME_SECONDS = 10**12  # time is judged in ``claims``, by the store's clock; jose would read the node's


def assert_backend() -> None:
    """Raise ``ConfigurationError`` unless python-jose works with ``cryptography``; called at start-up."""
    for algorithm, wanted in (("ES256", CryptographyECKey), ("RS256", CryptographyRSAKey)):
        if jose_jwk.get_key(algorithm) is not wanted:
            raise ConfigurationError("python-jose must be installed with its cryptography backend")


def verify(token: Compact, key: Jwk, kind: Kind, now: float, *, access_token: str | None = None) -> Object:
    """The claims of a token whose signature and claims are right; ``now`` in seconds. Raises ``Unauthenticated``.

    With ``access_token``, an ``at_hash`` in the token has to fit it (OpenID Connect Core §3.1.3.6).
    """
    rules.check(token, kind, now)
    if token.algorithm not in key.algorithms:
        raise Unauthenticated("The token's signature is not of its key's kind")
    try:
        claims: Object = jwt.decode(
            token.text,
            key.members,
            algorithms=[token.algorithm],
            issuer=kind.issuer,
            access_token=access_token,
            options=_options(kind, with_access_token=access_token is not None),
        )
    except Exception as error:  # odd claims make it raise TypeError, OverflowError, RecursionError and others
        raise Unauthenticated("The token does not verify") from error
    return claims


def _options(kind: Kind, *, with_access_token: bool) -> Object:
    required = {f"require_{name}": True for name in kind.required if name in ("exp", "iat", "iss", "sub", "jti")}
    return {**required, "verify_aud": False, "verify_at_hash": with_access_token, "leeway": _ALL_TIME_SECONDS}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A context key of the ring: a P-256 private key in PEM."""

    kid: str
    private_pem: bytes = field(repr=False)
    state: Literal["active", "next", "old"]


@dataclass(frozen=True, slots=True)
class Context:
    """What a verified context token says."""

    app: str
    sid: str
    user: str


class ContextSigner:
    """Signs and verifies context tokens (ES256, 60 s): what carries one session to one app.

    ``issuer`` is the public URL. Signed tokens are kept until half of their life is over, verified ones for a minute
    at most; both memories are bounded and are emptied when the keys change.
    """

    def __init__(self, keys: Iterable[SigningKey], issuer: str, clock: Clock, look_again: LookAgain = nowhere) -> None:
        self._issuer, self._clock, self._look_again = issuer, clock, look_again
        self._signed: Bounded[tuple[str, ...], str] = Bounded(CACHED_TOKENS)
        self._verified: Bounded[bytes, tuple[Context, int]] = Bounded(CACHED_TOKENS)
        self.replace_keys(keys)

    def replace_keys(self, keys: Iterable[SigningKey]) -> None:
        """Go on with other keys; exactly one is ``active``."""
        ring = sorted(keys, key=lambda key: key.state != "active")
        if [key.state for key in ring].count("active") != 1:
            raise ConfigurationError("exactly one context key has to be active")
        self._published = [_public(key) for key in ring]
        self._active_kid = ring[0].kid
        self._signing = jose_jwk.construct(ring[0].private_pem.decode(), CONTEXT_ALGORITHM)
        self._keys = usable_keys(self.jwks())
        self._signed.clear()
        self._verified.clear()

    def jwks(self) -> Object:
        """The public keys, for ``/.well-known/jwks.json``: the next one is listed before it signs (RFC 7517 §5)."""
        return {"keys": self._published}

    def sign(
        self, *, sid: str, user: str, position: Position, app: str, grants: Grants, document: Object | None = None
    ) -> str:
        """A token for ``app``. ``document``, the part of it the app may see, goes in if it fits in 4 KiB."""
        now = self._clock.now_ms() / 1000
        rights = tuple(f"{section}={right}" for section, right in sorted(grants.items()))
        wanted = (sid, str(position), app, "" if document is None else "document", *rights)
        if (known := self._signed.get(wanted, now)) is not None:
            return known
        issued = int(now)
        said: Object = {"iss": self._issuer, "aud": app, "sub": user, "sid": sid, "pos": str(position)}
        said |= {"grants": dict(grants), "iat": issued, "exp": issued + CONTEXT_SECONDS}
        said["jti"] = secrets.token_urlsafe(16)
        if document is not None and len(dumps(document)) <= MAX_DOCUMENT_BYTES:
            said["document"] = document
        headers = {"typ": CONTEXT_TYPE, "kid": self._active_kid}
        token: str = jws.sign(dumps(said), self._signing, headers=headers, algorithm=CONTEXT_ALGORITHM)
        self._signed.put(wanted, token, issued + CONTEXT_SECONDS / 2)
        return token

    def verify(self, token: str, apps: Iterable[str]) -> Context:
        """Who a context token speaks for; ``apps`` are the configured ones. Raises ``Unauthenticated``."""
        now = self._clock.now_ms() / 1000
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._verified.get(digest, now)
        if known is not None and now < known[1] and known[0].app in apps:
            return known[0]
        context, expires = self._check(token, frozenset(apps), now)
        self._verified.put(digest, (context, expires), min(now + CACHED_SECONDS, expires))
        return context

    def _check(self, token: str, apps: frozenset[str], now: float) -> tuple[Context, int]:
        compact = parse(token)
        kind = Kind(
            issuer=self._issuer,
            audiences=apps,
            types=frozenset({CONTEXT_TYPE}),
            algorithms=frozenset({CONTEXT_ALGORITHM}),
            required=("exp", "iat", "iss", "sub", "aud", "sid", "jti"),
        )
        key = self._key_of(compact)
        if key is None:
            raise Unauthenticated("The token is signed with a key that is not the hub's")
        said = verify(compact, key, kind, now)
        app, sid, expires = said["aud"], said["sid"], rules.seconds(said, "exp")
        if not isinstance(app, str) or not is_sid(sid):
            raise Unauthenticated("The token is not of the kind that belongs here")
        if now >= expires:  # no leeway: the hub's own clock made it
            raise Unauthenticated("The token has expired")
        return Context(app, sid, said["sub"]), expires

    def _key_of(self, token: Compact) -> Jwk | None:
        if token.kid is None:
            return None
        if not has_kid(self._keys, token.kid):
            self._look_again()
        return pick(self._keys, token.kid, token.algorithm)


def _public(key: SigningKey) -> Object:
    try:
        private = load_pem_private_key(key.private_pem, password=None)
    except (ValueError, TypeError):
        raise ConfigurationError(f"context key {key.kid} is not a private key in PEM") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise ConfigurationError(f"context key {key.kid} is not a P-256 key")
    numbers = private.public_key().public_numbers()
    x, y = (_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": key.kid, "use": "sig", "alg": CONTEXT_ALGORITHM}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
