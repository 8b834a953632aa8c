"""How often callers may commit: so many a second for each session, and for each service. Of this node only; bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from hub.core.bucket import Bucket
from hub.core.principal import Principal
from hub.errors import RateLimited

MOST_BUCKETS = 20_000


class Rates:
    """One bucket a session (users and apps share it) and one a service; a full second's worth may come at once."""

    def __init__(self, per_session: int, per_service: int, monotonic: Callable[[], float]) -> None:
        self._per_session, self._per_service = per_session, per_service
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, principal: Principal, sid: str) -> None:
        """Count one commit. Raises ``RateLimited``."""
        is_service = principal.kind == "service"
        rate = self._per_service if is_service else self._per_session
        if not rate:
            return
        name, now = principal.actor if is_service else sid, self._monotonic()
        bucket = self._buckets.pop(name, None) or Bucket(rate, rate, now)
        self._buckets[name] = bucket
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        if not bucket.take(now):
            whose = "service" if is_service else "session"
            raise RateLimited(f"Too many commits of this {whose}", retry_after_seconds=bucket.wait_seconds())
