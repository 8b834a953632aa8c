"""Public keys as providers publish them (JWK, RFC 7517): which are usable, and which one a token means.

One key is chosen by what the token's header says and by what the key itself says; a token never brings its own key.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import ec

from hub.core.json import Json, Object

RSA, EC = "RSA", "EC"
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192  # beyond it, one signature costs more time than a caller should be able to take
MAX_KEYS = 64

ALGORITHMS: MappingProxyType[str, str] = MappingProxyType(
    {"RS256": RSA, "RS384": RSA, "RS512": RSA, "ES256": EC, "ES384": EC, "ES512": EC}
)
"""The signatures that are supported, and the kind of key each needs (RFC 7518 §3.1)."""

_CURVE_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


@dataclass(frozen=True, slots=True)
class Jwk:
    """A usable public signature key: its ``members`` are exactly those that make the key."""

    kid: str | None
    kty: str
    algorithms: frozenset[str]
    members: Object = field(repr=False)


def usable_keys(key_set: Json) -> tuple[Jwk, ...]:
    """The usable keys of a JWK set; others are passed over. Empty if it is no key set at all."""
    listed = key_set.get("keys") if isinstance(key_set, dict) else None
    if not isinstance(listed, list):
        return ()
    found = (_usable(key) for key in listed[:MAX_KEYS])
    return tuple(key for key in found if key is not None)


def pick(keys: Sequence[Jwk], kid: str | None, algorithm: str) -> Jwk | None:
    """The one key a token with this header means. Without a ``kid`` only if a single key fits the algorithm."""
    fitting = [key for key in keys if algorithm in key.algorithms and (kid is None or key.kid == kid)]
    return fitting[0] if len(fitting) == 1 else None


def is_ambiguous(keys: Sequence[Jwk]) -> bool:
    """Whether two keys have one ``kid`` and fit one algorithm: which of them a token means, nobody could say.

    Keys of different kinds may share a ``kid`` (RFC 7517 §4.5).
    """
    named = [key for key in keys if key.kid is not None]
    return any(one.kid == other.kid and one.algorithms & other.algorithms for one, other in combinations(named, 2))


def has_kid(keys: Sequence[Jwk], kid: str | None) -> bool:
    """Whether any of ``keys`` carries this ``kid``; a token without one is never a reason to look for more keys."""
    return kid is None or any(key.kid == kid for key in keys)


def _usable(key: Json) -> Jwk | None:
    if not isinstance(key, dict) or key.get("use", "sig") != "sig":
        return None
    kid, kty, operations = key.get("kid"), key.get("kty"), key.get("key_ops", ["verify"])
    if not isinstance(kid, str | None) or not isinstance(operations, list) or "verify" not in operations:
        return None
    read = {RSA: _rsa, EC: _ec}.get(kty) if isinstance(kty, str) else None
    found = read(key) if read else None
    if found is None:
        return None
    algorithms, members = found
    if (named := key.get("alg")) is not None:
        algorithms = algorithms & {named} if isinstance(named, str) else frozenset()
    return Jwk(kid, str(kty), algorithms, members) if algorithms else None


def _rsa(key: Object) -> tuple[frozenset[str], Object] | None:
    modulus, exponent = _integer(key.get("n")), _integer(key.get("e"))
    if modulus is None or exponent is None or not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        return None
    if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > 64:
        return None
    algorithms = frozenset(name for name, kty in ALGORITHMS.items() if kty == RSA)
    return algorithms, {"kty": RSA, "n": key["n"], "e": key["e"]}


def _ec(key: Object) -> tuple[frozenset[str], Object] | None:
    curve, x, y = key.get("crv"), _integer(key.get("x")), _integer(key.get("y"))
    if x is None or y is None or not isinstance(curve, str) or curve not in _CURVES:
        return None
    try:
        ec.EllipticCurvePublicNumbers(x, y, _CURVES[curve]).public_key()
    except ValueError:  # not a point of that curve
        return None
    algorithms = frozenset(name for name, fits in _CURVE_OF.items() if fits == curve)
    return algorithms, {"kty": EC, "crv": curve, "x": key["x"], "y": key["y"]}


def _integer(text: Json) -> int | None:
    """A base64url integer of a key (RFC 7518 §2), within reason."""
    if not isinstance(text, str) or not 0 < len(text) <= 2048:
        return None
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return int.from_bytes(plain, "big")
