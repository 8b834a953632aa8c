"""``hub keys`` and ``hub service-key``: new secrets, each shown or written exactly once."""

import hashlib
import re
import secrets
from pathlib import Path

import typer

from hub.cli.output import console, print_json
from hub.store.keyring import KeyRing

PREFIX = "hub_sk_"


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
