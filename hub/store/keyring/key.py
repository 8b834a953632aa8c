"""Keys, by what they are for."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

KEY_BYTES = 32
KID_BYTES = 4

State = Literal["active", "next", "old"]
Use = Literal["master", "token", "chain", "index", "cookie", "context"]
USES: tuple[Use, ...] = get_args(Use)
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class Key:
    """One key. ``secret`` is 32 bytes, or PEM (PKCS #8) of a P-256 private key where ``use`` is ``context``.

    ``since`` (RFC 3339) says when it got its state.
    """

    use: Use
    kid: str
    state: State
    secret: bytes = field(repr=False)
    since: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one use: the ``active`` one, and all of them by ``kid``."""

    active: Key
    by_kid: Mapping[str, Key] = field(repr=False)

    def __getitem__(self, kid: str) -> bytes:
        """The secret of a ``kid``; ``KeyError`` if the ring does not have it."""
        return self.by_kid[kid].secret

    @property
    def secrets(self) -> dict[str, bytes]:
        """All secrets by ``kid``."""
        return {kid: key.secret for kid, key in self.by_kid.items()}


def new_key(use: Use, state: State, since: str) -> Key:
    """A fresh random key."""
    secret = secrets.token_bytes(KEY_BYTES)
    if use == "context":
        private = ec.generate_private_key(ec.SECP256R1())
        secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Key(use, secrets.token_hex(KID_BYTES), state, secret, since)
