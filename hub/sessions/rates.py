"""How often callers may commit: so many a second for each session, and for each service. Of this node only; bounded."""

from __future__ import annotations

from collections.abc import Callable

from hub.core.bucket import Buckets
from hub.core.principal import Principal
from hub.errors import RateLimited
from hub.telemetry.security import SecurityEvent, note

MOST_BUCKETS = 20_000


class Rates:
    """One bucket a session (users and apps share it) and one a service; a full second's worth may come at once."""

    def __init__(self, per_session: int, per_service: int, monotonic: Callable[[], float]) -> None:
        self._sessions = Buckets(per_session, per_session, MOST_BUCKETS)
        self._services = Buckets(per_service, per_service, MOST_BUCKETS)
        self._monotonic = monotonic

    def take(self, principal: Principal, sid: str) -> None:
        """Count one commit. Raises ``RateLimited``."""
        now = self._monotonic()
        if principal.kind == "service":
            whose, wait_seconds = "service", self._services.take(principal.name, now)
        else:
            whose, wait_seconds = "session", self._sessions.take(sid, now)
        if wait_seconds:
            who = {"sid": sid} if whose == "session" else {"actor": principal.actor}
            note(SecurityEvent.EXCESS_RATE_LIMIT_EXCEEDED, purpose="commits", why="too many commits", **who)
            raise RateLimited(f"Too many commits of this {whose}", retry_after_seconds=wait_seconds)
