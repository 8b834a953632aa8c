"""Sealing at rest: AES-256-GCM (NIST SP 800-38D) under a data key per session, wrapped by a master key.

Every sealed value is bound to what it is for (purpose, sid, position) by its associated data, so none can
be moved to another place or session and still open. What this cannot show is a whole older record put
back together with its whole older history.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.core.chain import length_prefixed
from hub.core.looking import LookAgain, nowhere
from hub.telemetry import metrics

NONCE_BYTES = 12
KEY_BYTES = 32


class SealBroken(Exception):
    """A sealed value does not open: it was changed, moved, or sealed with a key that is not here."""


def seal(key: bytes, plain: bytes, *bound_to: bytes) -> bytes:
    """Nonce (96 random bits) and ciphertext of ``plain``, bound to the fields given."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, length_prefixed(*bound_to))


def unseal(key: bytes, sealed: bytes, *bound_to: bytes) -> bytes:
    """The plaintext. Raises ``SealBroken``."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], length_prefixed(*bound_to))
    except (InvalidTag, ValueError):
        raise SealBroken("a sealed value does not open") from None


class MasterKeys:
    """The keys that wrap data keys: all by ``kid``, and the one that wraps new ones."""

    def __init__(self, by_kid: Mapping[str, bytes], active: str, look_again: LookAgain = nowhere) -> None:
        self._look_again = look_again
        self.replace_keys(by_kid, active)

    def replace_keys(self, by_kid: Mapping[str, bytes], active: str) -> None:
        """Go on with other keys."""
        self._by_kid, self._active = dict(by_kid), active

    def new_data_key(self, sid: str) -> tuple[bytes, bytes]:
        """A fresh data key, plain and wrapped."""
        key = secrets.token_bytes(KEY_BYTES)
        return key, self.wrap(sid, key)

    def wrap(self, sid: str, key: bytes) -> bytes:
        """``kid:`` and the data key sealed with the active master key."""
        return self._active.encode() + b":" + seal(self._by_kid[self._active], key, b"key", sid.encode())

    def unwrap(self, sid: str, wrapped: bytes) -> bytes:
        """The data key. Raises ``SealBroken``."""
        name, _, sealed = wrapped.partition(b":")
        kid = name.decode("ascii", "replace")
        if kid not in self._by_kid:
            self._look_again()
        master = self._by_kid.get(kid)
        if master is None:
            metrics.DATA_KEYS.add("missing")
            raise SealBroken("sealed with a master key that is not in the key ring")
        metrics.DATA_KEYS.add("active" if kid == self._active else "older")
        return unseal(master, sealed, b"key", sid.encode())
