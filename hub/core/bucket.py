"""Token buckets: so many a second, with as many at once. Pure; the time (seconds) is an argument."""

from __future__ import annotations

from collections import OrderedDict


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


class Buckets:
    """A bucket for each name, at most ``most`` of them: the one used longest ago is forgotten first."""

    __slots__ = ("_buckets", "_burst", "_most", "_per_second")

    def __init__(self, per_second: float, burst: float, most: int) -> None:
        self._per_second, self._burst, self._most = per_second, burst, most
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, now: float) -> float:
        """Take a token of ``name``. Returns 0 if there was one, else the seconds until there will be."""
        if self._per_second <= 0:
            return 0.0
        bucket = self._buckets.pop(name, None) or Bucket(self._per_second, self._burst, now)
        self._buckets[name] = bucket
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0.0 if bucket.take(now) else bucket.wait_seconds()
