"""A small memory that cannot grow: entries live for a time, and the oldest go when there are too many.

Time is an argument, in whatever unit the caller keeps to.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """At most ``capacity`` entries, each until its own deadline."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K, now: float) -> V | None:
        """What was put under ``key``, if its deadline has not come."""
        found = self._entries.get(key)
        if found is None:
            return None
        if now >= found[1]:
            del self._entries[key]
            return None
        return found[0]

    def put(self, key: K, value: V, until: float) -> None:
        """Keep ``value`` until ``until``; beyond the capacity the entry put longest ago goes."""
        self._entries.pop(key, None)
        self._entries[key] = (value, until)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
