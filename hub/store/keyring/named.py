"""The keys of a ring by name, as a node tells which ones it works with. No secret is among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import orjson

from hub.core.json import dumps
from hub.store.keyring.ring import KeyRing

Named: TypeAlias = Mapping[str, Mapping[str, str]]
"""``{use: {kid: state}}``."""


def name_keys(ring: KeyRing) -> bytes:
    """The names, as they lie in the store."""
    return dumps({use: {kid: key.state for kid, key in keys.by_kid.items()} for use, keys in ring.by_use.items()})


def read_names(told: bytes | None) -> Named:
    """What a node told; empty where it told nothing that can be read."""
    try:
        found = orjson.loads(told or b"{}")
    except ValueError:
        return {}
    if not isinstance(found, dict) or not all(isinstance(states, dict) for states in found.values()):
        return {}
    return found
