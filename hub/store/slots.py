"""Slots: which part of a cluster a key belongs to. Names with one hash tag are in one slot, so all of a user's are."""

from __future__ import annotations

import secrets
from binascii import crc_hqx
from collections.abc import Sequence
from itertools import count
from typing import Any

SLOTS = 16_384

Ranges = Sequence[range]


def slot_of(name: str) -> int:
    """The slot of a key or sharded channel (Redis Cluster specification, key distribution model)."""
    start = name.find("{")
    if start >= 0:
        end = name.find("}", start + 1)
        if end > start + 1:
            name = name[start + 1 : end]
    return crc_hqx(name.encode(), 0) % SLOTS


def first_key(command: Sequence[Any]) -> str:
    """The key or sharded channel that says where a command belongs."""
    return str(command[3 if command[0] in ("EVALSHA", "EVAL") else 1])


def tag_within(ranges: Ranges) -> str:
    """A hash tag nobody else uses, in one of these slots; they must not be empty."""
    begins = secrets.token_hex(4)
    return next(tag for tag in (f"{begins}{number:08x}" for number in count()) if is_within(slot_of(tag), ranges))


def is_within(slot: int, ranges: Ranges) -> bool:
    """Whether it is one of them."""
    return any(slot in each for each in ranges)


def size(ranges: Ranges) -> int:
    """How many there are."""
    return sum(map(len, ranges))
