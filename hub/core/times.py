"""Times as the hub writes them: RFC 3339, UTC, milliseconds. Inside they are integers of milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def rfc3339(epoch_ms: int) -> str:
    """``1_764_000_000_123`` → ``"2025-11-24T16:00:00.123Z"``."""
    seconds, milliseconds = divmod(epoch_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def from_rfc3339(text: str) -> int:
    """The reverse, of what ``rfc3339`` wrote. Cheap for times of one minute. Raises ``ValueError``."""
    return _minute_ms(text[:16]) + int(text[17:19]) * 1000 + int(text[20:23])


@lru_cache(maxsize=16)
def _minute_ms(minute: str) -> int:
    return int(datetime.fromisoformat(f"{minute}:00+00:00").timestamp()) * 1000
