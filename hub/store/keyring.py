"""The key ring: every secret the hub itself makes, in one file that nobody else may read.

A TOML file of ``[[key]]`` tables, each with ``use``, ``kid``, ``state`` and ``secret`` (256 random bits in base64url;
for ``context`` a P-256 private key in PEM). Exactly one key of a use is ``active`` and makes new things; ``next`` and
``old`` keys still open what they sealed or signed. The file comes into being whole: nobody ever reads half a ring.
"""

import base64
import binascii
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from hub.errors import ConfigurationError

KEY_BYTES = 32
LARGEST_FILE_BYTES = 256 * 1024

State = Literal["active", "next", "old"]
Use = Literal["master", "token", "chain", "index", "cookie", "context"]
USES: tuple[Use, ...] = get_args(Use)
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class Key:
    """One key. ``secret`` is 32 bytes, or PEM (PKCS #8) of a P-256 private key where ``use`` is ``context``."""

    use: Use
    kid: str
    state: State
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one use: the ``active`` one, and all of them by ``kid``."""

    active: Key
    by_kid: Mapping[str, Key] = field(repr=False)

    def __getitem__(self, kid: str) -> bytes:
        """The secret of a ``kid``; ``KeyError`` if the ring does not have it."""
        return self.by_kid[kid].secret


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys by use.

    ``master`` wraps data keys (AES-256-GCM), ``context`` signs context tokens (ES256), the others are HMAC keys.
    """

    master: Keys
    token: Keys
    chain: Keys
    index: Keys
    cookie: Keys
    context: Keys

    @classmethod
    def load(cls, path: Path) -> "KeyRing":
        """Read a ring. :class:`ConfigurationError` if it is missing, open to others than its owner, or malformed."""
        return _ring(_parse(_read_private(path), path), path)

    @classmethod
    def create(cls, path: Path) -> "KeyRing":
        """Make a new ring at ``path`` with mode 0600. :class:`ConfigurationError` if something is there already."""
        keys = [_new_key(use) for use in USES]
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_whole(path, _to_toml(keys))
        except FileExistsError:
            raise ConfigurationError(f"{path}: exists already and is not overwritten") from None
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from None
        return _ring(keys, path)

    @classmethod
    def load_or_create(cls, path: Path) -> "KeyRing":
        """The ring of an embedded store, made on demand. Several processes at once all get the same ring."""
        if not path.exists():
            try:
                return cls.create(path)
            except ConfigurationError:
                if not path.exists():
                    raise
        return cls.load(path)


def _new_key(use: Use) -> Key:
    secret = secrets.token_bytes(KEY_BYTES)
    if use == "context":
        private = ec.generate_private_key(ec.SECP256R1())
        secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Key(use, secrets.token_hex(4), "active", secret)


def _to_toml(keys: Iterable[Key]) -> str:
    lines = ["# The hub's key ring. Whoever has it reads and forges everything: keep it at mode 0600, and keep a copy."]
    for key in keys:
        lines += ["", "[[key]]", f'use = "{key.use}"', f'kid = "{key.kid}"', f'state = "{key.state}"']
        if key.use == "context":
            lines.append(f'secret = """\n{key.secret.decode()}"""')
        else:
            lines.append(f'secret = "{base64.urlsafe_b64encode(key.secret).rstrip(b"=").decode()}"')
    return "\n".join(lines) + "\n"


def _write_whole(path: Path, text: str) -> None:
    """Write beside, then link: the name appears with its full content or not at all, and never replaces another."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()


def _read_private(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=_open) as file:
            _refuse_if_open_to_others(os.fstat(file.fileno()).st_mode, path)
            return file.read(LARGEST_FILE_BYTES)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such key ring; `hub keys new` makes one") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None


def _open(path: str, flags: int) -> int:
    """A pipe in the place of a file must not make anybody wait."""
    return os.open(path, flags | os.O_NONBLOCK)


def _refuse_if_open_to_others(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise ConfigurationError(f"{path}: not a file")
    if mode & 0o077:
        raise ConfigurationError(f"{path}: mode {stat.S_IMODE(mode):04o} lets others at the keys; run chmod 600 on it")


def _parse(data: bytes, path: Path) -> list[Key]:
    try:
        tables = tomllib.loads(data.decode("utf-8")).get("key", [])
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        raise _malformed(path, "not TOML") from None
    if not isinstance(tables, list) or not tables:
        raise _malformed(path, "no [[key]] in it")
    return [_to_key(table, path) for table in tables]


def _to_key(table: object, path: Path) -> Key:
    if not isinstance(table, dict) or not {"use", "kid", "state", "secret"} == set(table):
        raise _malformed(path, "a [[key]] has exactly use, kid, state and secret")
    use, kid, state, secret = (table[name] for name in ("use", "kid", "state", "secret"))
    if use not in USES or state not in STATES:
        raise _malformed(path, f"use is one of {', '.join(USES)}; state is one of {', '.join(STATES)}")
    if not isinstance(secret, str) or not isinstance(kid, str) or not re.fullmatch(r"[A-Za-z0-9]{1,64}", kid):
        raise _malformed(path, f"a {use} key has a bad kid or secret")
    try:
        plain = _p256_pem(secret) if use == "context" else _random_bytes(secret)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        needed = "a P-256 private key in PEM" if use == "context" else f"{KEY_BYTES} bytes in base64url"
        raise _malformed(path, f"the secret of {use} key {kid} is not {needed}") from None
    return Key(use, kid, state, plain)


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


def _ring(keys: Iterable[Key], path: Path) -> KeyRing:
    by_use: dict[Use, dict[str, Key]] = {use: {} for use in USES}
    for key in keys:
        if key.kid in by_use[key.use]:
            raise _malformed(path, f"{key.use} key {key.kid} is there twice")
        by_use[key.use][key.kid] = key
    return KeyRing(**{use: _keys(use, found, path) for use, found in by_use.items()})


def _keys(use: Use, found: dict[str, Key], path: Path) -> Keys:
    active = [key for key in found.values() if key.state == "active"]
    if len(active) != 1:
        raise _malformed(path, f"exactly one {use} key is active, not {len(active)}")
    if use == "index" and len(found) != 1:
        raise _malformed(path, "the index key never changes: exactly one is needed")
    return Keys(active[0], MappingProxyType(found))


def _malformed(path: Path, said: str) -> ConfigurationError:
    return ConfigurationError(f"{path}: not a key ring: {said}")
