"""Times as the hub writes them: RFC 3339, UTC, milliseconds. Inside they are integers of milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(epoch_ms: int) -> str:
    """``1_764_000_000_123`` → ``"2025-11-24T16:00:00.123Z"``."""
    seconds, milliseconds = divmod(epoch_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def from_rfc3339(text: str) -> int:
    """The reverse of ``rfc3339``. Raises ``ValueError``."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
