"""What may be done to the keys of a ring: add one, let another one be active, drop one. Pure.

The index key is one for ever: every name in the store is made with it. Whether something still needs a key that is to
be dropped is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hub.store.keyring.key import Key, Use, new_key


class Refused(Exception):
    """A change that is not made; the ring stays as it is. The text says why."""


class NoSuchKey(Refused):
    """The ring has no key of that name."""


INDEX_STAYS = "the index key never changes: every name in the store is made with it"


def add(keys: Sequence[Key], use: Use, now: str) -> tuple[list[Key], Key]:
    """The keys with a fresh one, which is ``next``; and that one. Raises ``Refused``."""
    if use == "index":
        raise Refused(INDEX_STAYS)
    taken = {key.kid for key in keys}
    made = new_key(use, "next", now)
    while made.kid in taken:
        made = new_key(use, "next", now)
    return [*keys, made], made


def activate(keys: Sequence[Key], use: Use, kid: str, now: str) -> tuple[list[Key], Key, Key]:
    """The keys with this one ``active`` and the one that was ``old``; those two. Raises ``Refused``."""
    if use == "index":
        raise Refused(INDEX_STAYS)
    chosen = find(keys, use, kid)
    if chosen.state == "active":
        raise Refused(f"{use} key {kid} is active already")
    before = next(key for key in keys if key.use == use and key.state == "active")
    after = {chosen: replace(chosen, state="active", since=now), before: replace(before, state="old", since=now)}
    return [after.get(key, key) for key in keys], after[chosen], after[before]


def drop(keys: Sequence[Key], use: Use, kid: str) -> list[Key]:
    """The keys without this one. Raises ``Refused``."""
    chosen = find(keys, use, kid)
    if use == "index":
        raise Refused(INDEX_STAYS)
    if chosen.state == "active":
        raise Refused(f"{use} key {kid} is active; activate another one first")
    return [key for key in keys if key is not chosen]


def find(keys: Sequence[Key], use: Use, kid: str) -> Key:
    """One of them. Raises ``NoSuchKey``."""
    for key in keys:
        if (key.use, key.kid) == (use, kid):
            return key
    there = ", ".join(f"{key.kid} ({key.state})" for key in keys if key.use == use)
    raise NoSuchKey(f"there is no {use} key {kid[:64]!r}; there is {there}")
