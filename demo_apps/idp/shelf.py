"""Values under unguessable keys, each for a limited time. All that the provider remembers lies on shelves."""

import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shelf(Generic[T]):
    """At most ``capacity`` values, each for ``lifetime_seconds``; the oldest goes when there is no room."""

    def __init__(self, *, lifetime_seconds: float, capacity: int, clock: Callable[[], float]) -> None:
        self._lifetime_seconds = lifetime_seconds
        self._capacity = capacity
        self._clock = clock
        self._values: dict[str, tuple[float, T]] = {}

    def put(self, value: T, key: str | None = None) -> str:
        """Keep the value and return its key (256 random bits unless named)."""
        key = key or secrets.token_urlsafe(32)
        self._values.pop(key, None)
        self._values[key] = (self._clock() + self._lifetime_seconds, value)
        if len(self._values) > self._capacity:
            del self._values[next(iter(self._values))]
        return key

    def get(self, key: str | None) -> T | None:
        """The value, or None when there is none or its time is over."""
        expires_at, value = self._values.get(key or "", (0.0, None))
        return value if self._clock() < expires_at else None

    def take(self, key: str | None) -> T | None:
        """As `get`, and the key never works again."""
        value = self.get(key)
        self._values.pop(key or "", None)
        return value
