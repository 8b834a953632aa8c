"""Token buckets: so many a second, so many at once, and never more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.core.bucket import Bucket
from tests.core.strategies import quick


def test_a_burst_then_the_rate() -> None:
    """As many at once as the burst, then one for each interval."""
    bucket = Bucket(2.0, 3.0, now=100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_seconds() == 0.5
    assert not bucket.take(100.25)
    assert bucket.take(100.5)
    assert not bucket.take(100.5)


def test_a_rate_of_nothing_is_no_limit() -> None:
    """Zero switches it off."""
    bucket = Bucket(0, 1, now=0.0)
    assert all(bucket.take(0.0) for _ in range(1000))
    assert bucket.wait_seconds() == 0.0


def test_a_slow_rate_lets_one_through_at_a_time() -> None:
    """Less than one a second, and less than one at once, still means one."""
    bucket = Bucket(0.5, 0.1, now=0.0)
    assert bucket.take(0.0)
    assert not bucket.take(1.0)
    assert bucket.take(2.0)


@quick
@given(
    st.floats(0.1, 100),
    st.floats(1, 50),
    st.lists(st.floats(0, 5), max_size=30),
    st.lists(st.floats(0.1, 3), max_size=30),
)
def test_no_more_than_burst_and_rate_allow(rate: float, burst: float, pauses: list[float], takes: list[float]) -> None:
    """Whatever the pattern, what was taken is at most the burst and what came in; waiting as told is enough."""
    bucket, now, taken = Bucket(rate, burst, now=0.0), 0.0, 0.0
    for pause, tokens in zip(pauses, takes, strict=False):
        now += pause
        if bucket.take(now, tokens):
            taken += tokens
        elif tokens <= burst:
            now += bucket.wait_seconds(tokens) + 1e-6
            assert bucket.take(now, tokens)
            taken += tokens
        assert taken <= burst + rate * now + 1e-6
