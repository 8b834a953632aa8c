"""The outside of a JWT (RFC 7519, compact JWS of RFC 7515), looked at before any library touches it.

Nothing here verifies anything: ``parse`` refuses what no honest issuer sends, so that the verifier behind it meets
only plain tokens of one exact spelling. Every refusal is ``Unauthenticated``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from hub.core.json import Object
from hub.errors import Unauthenticated

MAX_BYTES = 16 * 1024
_SHAPE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")


@dataclass(frozen=True, slots=True)
class Compact:
    """A token taken apart. ``claims`` are what it says, not what is true. ``typ`` is lower case, ``""`` if absent."""

    text: str = field(repr=False)
    algorithm: str
    kid: str | None
    typ: str
    claims: Object = field(repr=False)

    @property
    def digest(self) -> str:
        """Names what was signed. Without the signature: an ECDSA signature can be respelt by anybody."""
        return hashlib.sha256(self.text.rpartition(".")[0].encode()).hexdigest()


def parse(token: str) -> Compact:
    """Take ``token`` apart. Raises ``Unauthenticated``."""
    if len(token) > MAX_BYTES or not _SHAPE.fullmatch(token):
        raise Unauthenticated("This is not a token of a kind known here")
    header, claims, signature = token.split(".")
    _decode(signature)
    said = _object(_decode(header))
    if "crit" in said:
        raise Unauthenticated("The token insists on an extension that is not supported")
    kid = said.get("kid")
    algorithm, typ = said.get("alg"), said.get("typ", "")
    if not isinstance(algorithm, str) or not isinstance(typ, str) or not isinstance(kid, str | None):
        raise Unauthenticated("The token's header is not well-formed")
    return Compact(token, algorithm, kid, typ.lower().removeprefix("application/"), _object(_decode(claims)))


def _decode(segment: str) -> bytes:
    """Bytes of one segment, if this is the one way to spell them: no padding, no stray bits."""
    try:
        plain = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        raise Unauthenticated("The token is not well-formed") from None
    if base64.urlsafe_b64encode(plain).rstrip(b"=") != segment.encode():
        raise Unauthenticated("The token is not well-formed")
    return plain


def _object(raw: bytes) -> Object:
    """A JSON object that names no member twice and holds no infinities."""
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unauthenticated("The token does not hold plain JSON") from None
    if not isinstance(value, dict):
        raise Unauthenticated("The token does not hold a JSON object")
    return value


def _unique(members: list[tuple[str, Any]]) -> Object:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("repeated member")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")
