"""Keys as the lines of a ring's file, and back. What is wrong with a file is said without showing what is in it."""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hub.errors import ConfigurationError
from hub.store.keyring.key import KEY_BYTES, STATES, USES, Key

NEEDED, POSSIBLE = {"use", "kid", "state", "secret"}, {"use", "kid", "state", "secret", "since"}


def to_toml(keys: Iterable[Key]) -> str:
    """The file of these keys."""
    lines = ["# The hub's key ring. Whoever has it reads and forges everything: keep it at mode 0600, and keep a copy."]
    for key in keys:
        lines += ["", "[[key]]", f'use = "{key.use}"', f'kid = "{key.kid}"', f'state = "{key.state}"']
        lines.append(f'since = "{key.since}"')
        if key.use == "context":
            lines.append(f'secret = """\n{key.secret.decode()}"""')
        else:
            lines.append(f'secret = "{base64.urlsafe_b64encode(key.secret).rstrip(b"=").decode()}"')
    return "\n".join(lines) + "\n"


def parse(data: bytes, path: Path, written: str) -> list[Key]:
    """The keys of a file that was ``written`` then (RFC 3339): no state is younger. Raises ``ConfigurationError``."""
    try:
        tables = tomllib.loads(data.decode("utf-8")).get("key", [])
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        raise malformed(path, "not TOML") from None
    if not isinstance(tables, list) or not tables:
        raise malformed(path, "no [[key]] in it")
    return [_to_key(table, path, written) for table in tables]


def malformed(path: Path, said: str) -> ConfigurationError:
    """What is said of a file that is no key ring."""
    return ConfigurationError(f"{path}: not a key ring: {said}")


def _to_key(table: object, path: Path, written: str) -> Key:
    if not isinstance(table, dict) or not NEEDED <= set(table) <= POSSIBLE:
        raise malformed(path, "a [[key]] has exactly use, kid, state and secret, and may have since")
    use, kid, state, secret = (table[name] for name in ("use", "kid", "state", "secret"))
    if use not in USES or state not in STATES:
        raise malformed(path, f"use is one of {', '.join(USES)}; state is one of {', '.join(STATES)}")
    if not isinstance(secret, str) or not isinstance(kid, str) or not re.fullmatch(r"[A-Za-z0-9]{1,64}", kid):
        raise malformed(path, f"a {use} key has a bad kid or secret")
    since = table.get("since", written)
    if not _is_time(since):
        raise malformed(path, f"since of {use} key {kid} is no time like {written}")
    try:
        plain = _p256_pem(secret) if use == "context" else _random_bytes(secret)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        needed = "a P-256 private key in PEM" if use == "context" else f"{KEY_BYTES} bytes in base64url"
        raise malformed(path, f"the secret of {use} key {kid} is not {needed}") from None
    return Key(use, kid, state, plain, since)


def _is_time(since: object) -> bool:
    """RFC 3339, with its offset; nothing that would end a string in the file."""
    if not isinstance(since, str) or not re.fullmatch(r"[0-9T:.Z+-]{20,40}", since):
        return False
    try:
        return datetime.fromisoformat(since).tzinfo is not None
    except ValueError:
        return False


def _random_bytes(text: str) -> bytes:
    plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if len(plain) != KEY_BYTES:
        raise ValueError("wrong length")
    return plain


def _p256_pem(text: str) -> bytes:
    private = load_pem_private_key(text.encode(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise ValueError("wrong kind of key")
    return text.encode()
