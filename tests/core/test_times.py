"""Times on the wire: RFC 3339, UTC, always three digits of milliseconds."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.times import from_rfc3339, rfc3339
from tests.core.strategies import quick


@pytest.mark.parametrize(
    ("epoch_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_764_000_000_123, "2025-11-24T16:00:00.123Z"),
        (1_764_000_000_007, "2025-11-24T16:00:00.007Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
    ],
)
def test_known_moments(epoch_ms: int, text: str) -> None:
    """Padding, leap days, and no rounding."""
    assert rfc3339(epoch_ms) == text


@quick
@given(st.integers(0, 4_102_444_800_000))
def test_every_millisecond_is_told_apart(epoch_ms: int) -> None:
    """The text reads back as exactly the same moment."""
    read = datetime.fromisoformat(rfc3339(epoch_ms))
    assert from_rfc3339(rfc3339(epoch_ms)) == epoch_ms
    assert (read - datetime.fromisoformat("1970-01-01T00:00:00Z")) // timedelta(milliseconds=1) == epoch_ms
