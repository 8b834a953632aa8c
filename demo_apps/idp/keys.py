"""The provider's signing key, made when it starts, and the tokens signed with it (RS256; RFC 7515, RFC 7517)."""

import base64
import hashlib
import json
import re
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwt
from jose.exceptions import JOSEError

ALGORITHM = "RS256"
_COMPACT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _integer(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class SigningKey:
    """One RSA key of 2048 bits. Its ``kid`` is the JWK thumbprint (RFC 7638)."""

    def __init__(self) -> None:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = private.public_key().public_numbers()
        members = {"e": _integer(numbers.e), "kty": "RSA", "n": _integer(numbers.n)}
        canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
        self.kid = _base64url(hashlib.sha256(canonical).digest())
        self._public = {**members, "kid": self.kid, "use": "sig", "alg": ALGORITHM}
        self._private_pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public half, as a JWK set."""
        return {"keys": [self._public]}

    def sign(self, claims: dict[str, object], *, typ: str = "JWT") -> str:
        """A compact JWS over the claims."""
        headers = {"kid": self.kid, "typ": typ}
        signed: str = jwt.encode(claims, self._private_pem, algorithm=ALGORITHM, headers=headers)
        return signed

    def read_hint(self, token: str, *, issuer: str) -> dict[str, Any] | None:
        """The claims of an ID token this key signed, however old (RP-Initiated Logout §2), or None."""
        if not _COMPACT.fullmatch(token):
            return None
        options = {"verify_exp": False, "verify_aud": False, "verify_at_hash": False}
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._public, algorithms=[ALGORITHM], issuer=issuer, options=options
            )
        except (JOSEError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return claims


def access_token_hash(access_token: str) -> str:
    """``at_hash`` of OpenID Connect Core §3.1.3.6 for a 256-bit algorithm."""
    return _base64url(hashlib.sha256(access_token.encode()).digest()[:16])


def code_challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636 §4.2)."""
    return _base64url(hashlib.sha256(verifier.encode()).digest())
