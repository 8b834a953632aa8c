"""The ring's file: private, read whole, and replaced whole by one writer at a time."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.core.times import rfc3339
from hub.errors import ConfigurationError
from hub.store.keyring.key import Key
from hub.store.keyring.text import parse, to_toml

LARGEST_FILE_BYTES = 256 * 1024
PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Seen:
    """What tells one content of a file from another without reading it."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def look_at(path: Path) -> Seen | None:
    """The file as it is now; ``None`` where there is none to be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Seen(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_keys(path: Path) -> list[Key]:
    """The keys in a file that is its owner's alone. Raises ``ConfigurationError``."""
    try:
        with open(path, "rb", opener=_open) as file:
            return _keys_in(file.fileno(), path)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such key ring; `hub keys new` makes one") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None


def create(path: Path, keys: list[Key]) -> None:
    """Make a file that was not there. Raises ``ConfigurationError``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _drafted(path, keys) as draft:
            os.link(draft, path)
    except FileExistsError:
        raise ConfigurationError(f"{path}: exists already and is not overwritten") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from None


def edit(path: Path, change: Callable[[list[Key]], list[Key]]) -> list[Key]:
    """Put what ``change`` makes of the keys in their place, while nobody else does; the keys as they are then.

    The file keeps its owner and mode. Where it is a link, what it leads to is replaced. Raises ``ConfigurationError``,
    and what ``change`` raises.
    """
    place = path.resolve()
    try:
        with _locked(place) as descriptor:
            found = os.fstat(descriptor)
            keys = change(_keys_in(descriptor, path))
            with _drafted(place, keys) as draft:
                draft.chmod(stat.S_IMODE(found.st_mode))
                made = draft.stat()
                if (found.st_uid, found.st_gid) != (made.st_uid, made.st_gid):
                    os.chown(draft, found.st_uid, found.st_gid)
                draft.rename(place)
            _make_last(place.parent)
            return keys
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such key ring; `hub keys new` makes one") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from None


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, open and locked. Whoever waited for a lock may hold one on a file that was replaced meanwhile."""
    while True:
        descriptor = _open(str(path), os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                yield descriptor
                return
        finally:
            os.close(descriptor)


@contextmanager
def _drafted(path: Path, keys: list[Key]) -> Iterator[Path]:
    """A private file beside, with everything in it and on disk, that is gone afterwards."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(to_toml(keys))
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _make_last(folder: Path) -> None:
    """A rename is on disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keys_in(descriptor: int, path: Path) -> list[Key]:
    found = os.fstat(descriptor)
    _refuse_if_open_to_others(found.st_mode, path)
    data = os.pread(descriptor, LARGEST_FILE_BYTES, 0)
    return parse(data, path, rfc3339(found.st_mtime_ns // 1_000_000))


def _open(path: str, flags: int) -> int:
    """A pipe in the place of a file must not make anybody wait."""
    return os.open(path, flags | os.O_NONBLOCK)


def _refuse_if_open_to_others(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise ConfigurationError(f"{path}: not a file")
    if mode & 0o077:
        raise ConfigurationError(f"{path}: mode {stat.S_IMODE(mode):04o} lets others at the keys; run chmod 600 on it")
