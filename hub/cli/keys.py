"""``hub keys`` and ``hub service-key``: new secrets, each shown or written exactly once, and what becomes of them.

What is here works on the key ring's file alone; what has to ask the store is in ``key_life``.
"""

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import typer

from hub.cli import CommandError
from hub.cli.output import console, moment, note, print_json, rows
from hub.settings import Settings, config_path, load_settings
from hub.store.keyring import USES, Key, KeyRing, Use
from hub.store.keyring.changes import NoSuchKey, Refused, activate, add, find
from hub.store.keyring.ring import now

PREFIX = "hub_sk_"
LISTED_SECONDS = 600  # what apps keep the hub's list of keys for at most


def make_service_key(name: str) -> tuple[str, str]:
    """A new key ``hub_sk_<name>_<256 random bits>`` and the SHA-256 (hex) of that whole text."""
    key = f"{PREFIX}{name}_{secrets.token_urlsafe(32)}"
    return key, hashlib.sha256(key.encode()).hexdigest()


def new_service_key(name: str, as_json: bool) -> None:
    """Print a new key and the configuration that accepts it."""
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,64}", name):
        raise typer.BadParameter("a service's name has letters, digits, . and - only, at most 64")
    key, digest = make_service_key(name)
    if as_json:
        print_json({"name": name, "key": key, "key_sha256": digest})
        return
    quoted = f'"{name}"' if "." in name else name
    print(f'{key}\n\n# shown this once; the hub needs only its hash:\n[services.{quoted}]\nkey_sha256 = "{digest}"')


def new_key_ring(file: Path, as_json: bool) -> None:
    """Write a new key ring."""
    ring = KeyRing.create(file)
    if as_json:
        print_json({"file": str(file), "master": ring.master.active.kid, "context": ring.context.active.kid})
        return
    console().print(
        f"A new key ring is in {file} (mode 0600). Keep a copy in a safe place: without it no session opens."
    )
    print(f'\n[keys]\nfile = "{file}"')


@dataclass(frozen=True, slots=True)
class Ring:
    """Where the key ring is: a file by name, or that of the node with this configuration."""

    file: Path | None
    config: Path | None

    def settings(self) -> Settings:
        """The node's. Raises ``ConfigurationError``."""
        return load_settings(config_path(self.config, os.environ), os.environ)

    def path(self, settings: Settings | None = None) -> Path:
        """The file."""
        if self.file is not None:
            return self.file
        return (settings or self.settings()).key_ring_file


def check_use(use: str) -> Use:
    """What a key is for, if there are such keys."""
    for known in USES:
        if use == known:
            return known
    raise typer.BadParameter(f"{use[:64]!r} is no use of a key; there are {', '.join(USES)}")


def use_and_kid(ring: Ring, named: Sequence[str]) -> tuple[str, str]:
    """Which key is meant by ``[USE] KID``. Kids are random, so one alone says enough."""
    if len(named) == 2:
        return named[0], named[1]
    if len(named) != 1:
        raise typer.BadParameter("a key is named by [USE] KID")
    kid = named[0]
    uses = [use for use, keys in KeyRing.load(ring.path()).by_use.items() if kid in keys.by_kid]
    if len(uses) != 1:
        said = "several keys have this kid; say what it is for too" if uses else "no key of the ring has this kid"
        raise typer.BadParameter(f"{kid[:64]!r}: {said}")
    return uses[0], kid


def list_keys(ring: Ring, as_json: bool) -> None:
    """Print use, name and state of every key."""
    path = ring.path()
    keys = [key for keys in KeyRing.load(path).by_use.values() for key in keys.by_kid.values()]
    if as_json:
        print_json({"file": str(path), "keys": [_facts(key) for key in keys]})
        return
    console().print(rows(("use", "kid", "state", "since"), ((k.use, k.kid, k.state, moment(k.since)) for k in keys)))


def add_key(ring: Ring, use: str, as_json: bool) -> None:
    """Add a key that is ``next``: from now on it opens, from its activation on it makes."""
    made, path, wanted = list[Key](), ring.path(), check_use(use)

    def change(keys: list[Key]) -> list[Key]:
        after, key = add(keys, wanted, now())
        made.append(key)
        return after

    with refusals():
        KeyRing.edit(path, change)
    if as_json:
        print_json({"file": str(path), **_facts(made[0])})
        return
    print(f"{use} key {made[0].kid} is in {path} as next. Once every node has this file:")
    print(f"\nhub keys activate {use} {made[0].kid}")


def activate_key(ring: Ring, use: str, kid: str, as_json: bool) -> None:
    """Make a key the active one of its use; the one that was is ``old``."""
    changed, path, wanted = list[Key](), ring.path(), check_use(use)

    def change(keys: list[Key]) -> list[Key]:
        after, chosen, before = activate(keys, wanted, kid, now())
        changed.extend((chosen, before, find(keys, wanted, kid)))
        return after

    with refusals():
        KeyRing.edit(path, change)
    chosen, before, was = changed
    if wanted == "context" and was.state == "next" and (left := seconds_until_known(was)):
        note(f"apps that keep the list of keys may refuse tokens of this one for {left:.0f} seconds more")
    if as_json:
        print_json({"file": str(path), **_facts(chosen), "before": before.kid})
        return
    print(f"{use} key {kid} is active; {before.kid} is old, and still opens what it made. Once nothing needs it:")
    print(f"\n{'hub keys reseal' + chr(10) if use == 'master' else ''}hub keys drop {use} {before.kid}")


@contextmanager
def refusals() -> Iterator[None]:
    """What the ring refuses is what the command fails with."""
    try:
        yield
    except NoSuchKey as error:
        raise typer.BadParameter(str(error)) from None
    except Refused as error:
        raise CommandError(str(error)) from None


def seconds_until_known(key: Key) -> float:
    """How long an app may still go by a list of keys from before this one was added."""
    return max(0.0, datetime.fromisoformat(key.since).timestamp() + LISTED_SECONDS - time.time())


def _facts(key: Key) -> dict[str, str]:
    return {"use": key.use, "kid": key.kid, "state": key.state, "since": key.since}
