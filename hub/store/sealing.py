"""Sealing at rest: AES-256-GCM (NIST SP 800-38D) under a data key per session, wrapped by a master key.

Every sealed value is bound to what it is for (purpose, sid, position) by its associated data, so none can
be moved to another place or session and still open. What this cannot show is a whole older record put
back together with its whole older history.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.core.chain import length_prefixed

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


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The keys that wrap data keys: all by ``kid``, and the one that wraps new ones."""

    by_kid: Mapping[str, bytes] = field(repr=False)
    active: str

    def new_data_key(self, sid: str) -> tuple[bytes, bytes]:
        """A fresh data key, plain and wrapped."""
        key = secrets.token_bytes(KEY_BYTES)
        return key, self.wrap(sid, key)

    def wrap(self, sid: str, key: bytes) -> bytes:
        """``kid:`` and the data key sealed with the active master key."""
        return self.active.encode() + b":" + seal(self.by_kid[self.active], key, b"key", sid.encode())

    def unwrap(self, sid: str, wrapped: bytes) -> bytes:
        """The data key. Raises ``SealBroken``."""
        kid, _, sealed = wrapped.partition(b":")
        master = self.by_kid.get(kid.decode("ascii", "replace"))
        if master is None:
            raise SealBroken("sealed with a master key that is not in the key ring")
        return unseal(master, sealed, b"key", sid.encode())
