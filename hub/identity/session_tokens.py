"""Session tokens: ``hub_st_<sid>.<43 base64url characters>``, the one secret that proves a session.

The store keeps a *verifier* only: a keyed hash over the whole token. So a dump of the store opens nothing, and a
verifier that somebody plants in the store fits no token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping

from hub.core.chain import length_prefixed
from hub.core.looking import LookAgain, nowhere
from hub.core.session import is_sid

PREFIX = "hub_st_"
SECRET_BYTES = 32
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def sid_of(token: str) -> str | None:
    """The sid a token names, or ``None`` if this is not the form of a token. Proves nothing."""
    if not token.startswith(PREFIX):
        return None
    sid, _, secret = token.removeprefix(PREFIX).partition(".")
    return sid if is_sid(sid) and _SECRET.fullmatch(secret) else None


class SessionTokens:
    """Makes and checks tokens. ``keys`` are the ring's token keys by kid; ``active`` is the one that makes new ones."""

    def __init__(self, keys: Mapping[str, bytes], active: str, look_again: LookAgain = nowhere) -> None:
        self._look_again = look_again
        self.replace_keys(keys, active)

    def replace_keys(self, keys: Mapping[str, bytes], active: str) -> None:
        """Go on with other keys."""
        self._keys, self._active = dict(keys), active

    def new(self, sid: str, door: str = "") -> tuple[str, bytes]:
        """A fresh token of 256 random bits for ``sid``, and the verifier to store beside the session.

        It is good at the door named and at no other (see ``doors``).
        """
        token = f"{PREFIX}{sid}.{secrets.token_urlsafe(SECRET_BYTES)}"
        return token, self._verifier(self._active, token, door)

    def is_proof(self, token: str, verifier: bytes, door: str = "") -> bool:
        """Whether ``verifier`` was made of ``token`` at ``door`` with a key of the ring. Takes equally long for any."""
        proven = False
        self._is_known(_kid_of(verifier))
        for kid in self._keys:
            proven |= hmac.compare_digest(self._verifier(kid, token, door), verifier)
        return proven

    def at_app(self, sid: str, verifier: bytes, door: str) -> str | None:
        """The token by which the session of this verifier is known at an app's own door; nothing of it is stored.

        ``None`` if the ring has lost the key of the verifier.
        """
        kid = _kid_of(verifier)
        if not self._is_known(kid):
            return None
        bound = length_prefixed(b"door", door.encode(), sid.encode(), verifier)
        secret = base64.urlsafe_b64encode(hmac.digest(self._keys[kid], bound, hashlib.sha256)).rstrip(b"=")
        return f"{PREFIX}{sid}.{secret.decode()}"

    def is_proof_at_app(self, token: str, sid: str, verifier: bytes, door: str) -> bool:
        """Whether this is the token that ``at_app`` gives."""
        expected = self.at_app(sid, verifier, door)
        given = token.encode("utf-8", "surrogateescape")
        return expected is not None and hmac.compare_digest(given, expected.encode())

    def _is_known(self, kid: str) -> bool:
        return kid in self._keys or (self._look_again() and kid in self._keys)

    def _verifier(self, kid: str, token: str, door: str) -> bytes:
        bound = f"{token}@{door}" if door else token  # no token has an "@", so the two cannot be mixed up
        digest = hmac.digest(self._keys[kid], bound.encode("utf-8", "surrogateescape"), hashlib.sha256)
        return kid.encode() + b":" + digest


def _kid_of(verifier: bytes) -> str:
    return verifier.partition(b":")[0].decode("ascii", "replace")
