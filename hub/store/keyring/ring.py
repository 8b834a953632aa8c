"""A whole ring: exactly one active key of each use, and one index key for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from hub.core.times import rfc3339
from hub.errors import ConfigurationError
from hub.store.keyring import file
from hub.store.keyring.key import USES, Key, Keys, Use, new_key
from hub.store.keyring.text import malformed


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
    def of(cls, keys: Iterable[Key], path: Path) -> KeyRing:
        """The ring of these keys, from ``path``. Raises ``ConfigurationError`` where they are none."""
        by_use: dict[Use, dict[str, Key]] = {use: {} for use in USES}
        for key in keys:
            if key.kid in by_use[key.use]:
                raise malformed(path, f"{key.use} key {key.kid} is there twice")
            by_use[key.use][key.kid] = key
        return cls(**{use: _keys(use, found, path) for use, found in by_use.items()})

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """Read a ring. ``ConfigurationError`` if it is missing, open to others than its owner, or malformed."""
        return cls.of(file.read_keys(path), path)

    @classmethod
    def create(cls, path: Path) -> KeyRing:
        """Make a new ring at ``path`` with mode 0600. ``ConfigurationError`` if something is there already."""
        since = now()
        keys = [new_key(use, "active", since) for use in USES]
        file.create(path, keys)
        return cls.of(keys, path)

    @classmethod
    def edit(cls, path: Path, change: Callable[[list[Key]], list[Key]]) -> KeyRing:
        """Put what ``change`` makes of the keys in their place, in one step, while nobody else does.

        Raises ``ConfigurationError`` where there is no ring before or would be none after, and what ``change`` raises.
        """

        def checked(keys: list[Key]) -> list[Key]:
            cls.of(keys, path)
            after = change(keys)
            cls.of(after, path)
            return after

        return cls.of(file.edit(path, checked), path)

    @classmethod
    def load_or_create(cls, path: Path) -> KeyRing:
        """The ring of an embedded store, made on demand. Several processes at once all get the same ring."""
        if not path.exists():
            try:
                return cls.create(path)
            except ConfigurationError:
                if not path.exists():
                    raise
        return cls.load(path)

    @property
    def by_use(self) -> dict[Use, Keys]:
        """The same, to be walked through."""
        return {
            "master": self.master,
            "token": self.token,
            "chain": self.chain,
            "index": self.index,
            "cookie": self.cookie,
            "context": self.context,
        }


def now() -> str:
    """This machine's time, RFC 3339."""
    return rfc3339(time.time_ns() // 1_000_000)


def _keys(use: Use, found: dict[str, Key], path: Path) -> Keys:
    active = [key for key in found.values() if key.state == "active"]
    if len(active) != 1:
        raise malformed(path, f"exactly one {use} key is active, not {len(active)}")
    if use == "index" and len(found) != 1:
        raise malformed(path, "the index key never changes: exactly one is needed")
    return Keys(active[0], MappingProxyType(found))
