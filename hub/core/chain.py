"""The hash chain that makes a session's history one thing that can be checked.

``chain(0) = HMAC(key, sid)`` and ``chain(n) = HMAC(key, chain(n-1) ‖ entry n)``, with HMAC-SHA256
(RFC 2104, FIPS 180-4) and every field preceded by its length, so that no two inputs run together.
Entries are the plaintext bytes exactly as they were stored. A chain may go on under another key: then
each entry is under the one that was in use when it was made.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from hub.core.position import Position

TAG_DIGITS = 8


def length_prefixed(*fields: bytes) -> bytes:
    """Each field after its length (8 bytes, big-endian): an encoding without two readings."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in fields)


@dataclass(slots=True)
class Chain:
    """Chain values, 32 bytes each, under the key that is in use now: the one thing here that may be replaced."""

    key: bytes = field(repr=False)

    def start(self, sid: str) -> bytes:
        """The value before the first entry."""
        return self._hmac(sid.encode())

    def extend(self, before: bytes, entry: bytes) -> bytes:
        """The value after ``entry``, given the value before it."""
        return self._hmac(before, entry)

    def _hmac(self, *fields: bytes) -> bytes:
        return hmac.digest(self.key, length_prefixed(*fields), hashlib.sha256)


def position_at(revision: int, chain: bytes) -> Position:
    """The position that ``chain`` (32 bytes) gives to ``revision``."""
    return Position(revision, chain.hex()[:TAG_DIGITS])
