"""Tokens of every kind, honest and not: signed by hand, so that anything at all can be in them."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.identity.jwk import Jwk, usable_keys
from tests.identity.worlds import ISSUER, NOW

Json = Any


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def integer(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True)
class Key:
    """A key pair with its JWK."""

    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    jwk: dict[str, Json]

    @property
    def algorithm(self) -> str:
        return str(self.jwk["alg"])

    @property
    def usable(self) -> Jwk:
        (found,) = usable_keys({"keys": [self.jwk]})
        return found

    def pem(self, encoding: Encoding = Encoding.PEM) -> bytes:
        return self.private.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes, algorithm: str = "") -> bytes:
        """A signature; for RSA with the hash that ``algorithm`` names."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            digest = {"RS384": hashes.SHA384(), "RS512": hashes.SHA512()}.get(algorithm, hashes.SHA256())
            return self.private.sign(data, padding.PKCS1v15(), digest)
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@functools.cache
def rsa_key(kid: str = "r1", bits: int = 2048) -> Key:
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    numbers = private.public_key().public_numbers()
    jwk = {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": integer(numbers.n), "e": integer(numbers.e)}
    return Key(private, jwk)


@functools.cache
def ec_key(kid: str = "e1") -> Key:
    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    x, y = (base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return Key(private, {"kty": "EC", "kid": kid, "use": "sig", "alg": "ES256", "crv": "P-256", "x": x, "y": y})


def compact(header: Json, payload: Json, signature: bytes) -> str:
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload))
    return ".".join([*map(base64url, parts), base64url(signature)])


def mint(claims: Json, key: Key | None = None, **header: Json) -> str:
    """A token over ``claims`` (a dict, or bytes as they are); header members given as ``None`` are left out."""
    key = key or ec_key()
    said = {"alg": key.algorithm, "kid": key.jwk["kid"], "typ": "JWT", **header}
    said = {name: value for name, value in said.items() if value is not None}
    unsigned = compact(said, claims, b"x").rpartition(".")[0]
    return f"{unsigned}.{base64url(key.sign(unsigned.encode(), str(said.get('alg'))))}"


def mint_hs256(claims: Json, secret: bytes, **header: Json) -> str:
    unsigned = compact({"alg": "HS256", "typ": "JWT", **header}, claims, b"x").rpartition(".")[0]
    return f"{unsigned}.{base64url(hmac.digest(secret, unsigned.encode(), hashlib.sha256))}"


def claims(**changes: Json) -> dict[str, Json]:
    """Claims of a good token for the client ``hub``; ones given as ``None`` are left out."""
    said: dict[str, Json] = {
        "iss": ISSUER,
        "aud": "hub",
        "sub": "ada",
        "iat": NOW,
        "exp": NOW + 300,
    }
    return {name: value for name, value in {**said, **changes}.items() if value is not None}
