"""What each kind of token must say. A kind accepts its own tokens only: the rules of any two exclude each other.

Pure: time is an argument (seconds since the epoch, by the store's clock). Every refusal is ``Unauthenticated``.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.core.json import Json, Object
from hub.errors import Unauthenticated
from hub.identity.compact import Compact

LEEWAY_SECONDS = 60
MAX_TEXT = 255
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


@dataclass(frozen=True, slots=True)
class Kind:
    """The rules for one kind of token from one issuer.

    ``types`` are the values of ``typ`` it may have (lower case, ``""`` = absent). ``nonce`` is the one it has to
    repeat; ``None``: it must not have any. ``parties`` are what ``azp`` may name; it is needed where the token has
    several audiences, and looked at always if ``is_for_client``. ``max_age_seconds`` counts from ``iat``.
    """

    issuer: str
    audiences: frozenset[str]
    types: frozenset[str]
    algorithms: frozenset[str]
    required: tuple[str, ...] = ("exp", "iat", "iss", "sub")
    nonce: str | None = None
    parties: frozenset[str] = frozenset()
    is_for_client: bool = False
    max_age_seconds: int | None = None
    is_logout: bool = False


def check(token: Compact, kind: Kind, now: float) -> None:
    """Hold the claims of ``token`` against the rules of ``kind``. Raises ``Unauthenticated``."""
    claims = token.claims
    if token.typ not in kind.types or token.algorithm not in kind.algorithms:
        raise Unauthenticated("The token is not of the kind that belongs here")
    for name in kind.required:
        if name not in claims:
            raise Unauthenticated(f"The token lacks {name}")
    if claims.get("iss") != kind.issuer:
        raise Unauthenticated("The token is from another issuer")
    for name in ("sub", "sid", "jti"):
        if name in claims:
            text(claims, name)
    _check_times(claims, kind, now)
    _check_audience(claims, kind)
    _check_purpose(claims, kind)


def text(claims: Object, name: str) -> str:
    """A claim that is a text of 1 to 255 characters, writable as UTF-8."""
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise Unauthenticated(f"The token's {name} is not a text of 1 to {MAX_TEXT} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unauthenticated(f"The token's {name} is not a text") from None
    return value


def seconds(claims: Object, name: str) -> int:
    """A claim that is a time: whole seconds since the epoch (NumericDate of RFC 7519 §2, integers only)."""
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LAST_SECOND:
        raise Unauthenticated(f"The token's {name} is not a time")
    return value


def _check_times(claims: Object, kind: Kind, now: float) -> None:
    if "exp" in claims and now >= seconds(claims, "exp") + LEEWAY_SECONDS:
        raise Unauthenticated("The token has expired")
    if "nbf" in claims and seconds(claims, "nbf") > now + LEEWAY_SECONDS:
        raise Unauthenticated("The token is not valid yet")
    for name in ("iat", "auth_time"):
        if name in claims and seconds(claims, name) > now + LEEWAY_SECONDS:
            raise Unauthenticated(f"The token's {name} lies in the future")
    if kind.max_age_seconds is not None and now > seconds(claims, "iat") + kind.max_age_seconds:
        raise Unauthenticated("The token is too old for this use; get a fresh one")


def _check_audience(claims: Object, kind: Kind) -> None:
    audience: Json = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise Unauthenticated("The token names no audience")
    if kind.audiences.isdisjoint(named):
        raise Unauthenticated("The token is meant for somebody else")
    needs_party = len(named) > 1 or (kind.is_for_client and "azp" in claims)
    if needs_party and (not isinstance(claims.get("azp"), str) or claims["azp"] not in kind.parties):
        raise Unauthenticated("The token was issued to another client")


def _check_purpose(claims: Object, kind: Kind) -> None:
    events: Json = claims.get("events", {})
    is_logout = isinstance(events, dict) and isinstance(events.get(LOGOUT_EVENT), dict)
    if is_logout != kind.is_logout or (not kind.is_logout and "events" in claims):
        raise Unauthenticated("The token is not of the kind that belongs here")
    if kind.nonce is None:
        if "nonce" in claims:
            raise Unauthenticated("A token with a nonce belongs to the one log-in that asked for it")
    elif claims.get("nonce") != kind.nonce:
        raise Unauthenticated("The token does not belong to this log-in")
