"""A token bucket: so many a second, with as many at once. Pure; the time (seconds) is an argument."""

from __future__ import annotations


class Bucket:
    """``per_second`` tokens come in each second, up to ``burst``. ``per_second`` 0 means no limit."""

    __slots__ = ("_at", "_burst", "_per_second", "_tokens")

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second, self._burst = per_second, max(burst, 1.0)
        self._tokens, self._at = self._burst, now

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Take ``tokens`` if they are there."""
        if self._per_second <= 0:
            return True
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True

    def wait_seconds(self, tokens: float = 1.0) -> float:
        """How long until ``tokens`` are there, if nobody takes any."""
        if self._per_second <= 0:
            return 0.0
        return max(0.0, (tokens - self._tokens) / self._per_second)
