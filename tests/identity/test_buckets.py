"""Token buckets per address."""

from __future__ import annotations

from hub.identity import buckets
from hub.identity.buckets import Buckets, caller_of
from tests.identity.worlds import Clock


def test_a_bucket_empties_and_refills() -> None:
    clock = Clock()
    limit = Buckets(6, clock)
    assert [limit.take("192.0.2.1") for _ in range(6)] == [0.0] * 6
    assert 9.9 < limit.take("192.0.2.1") <= 10
    assert limit.take("192.0.2.2") == 0
    clock.seconds += 10
    assert limit.take("192.0.2.1") == 0
    assert limit.take("192.0.2.1") > 0


def test_zero_is_no_limit() -> None:
    limit = Buckets(0, Clock())
    assert not any(limit.take("192.0.2.1") for _ in range(1000))


def test_an_ipv6_caller_is_its_network() -> None:
    """Somebody with a /64 has 2^64 addresses and one bucket."""
    assert caller_of("2001:db8::1") == caller_of("2001:db8::ffff:1") != caller_of("2001:db8:0:1::1")
    assert caller_of("::ffff:192.0.2.1") == caller_of("192.0.2.1") == "192.0.2.1"
    assert caller_of("fe80::1%eth0") == caller_of("fe80::2")
    assert caller_of("not an address") == "not an address"


def test_the_memory_is_bounded() -> None:
    limit = Buckets(1, Clock())
    for number in range(buckets.MOST_ADDRESSES + 100):
        limit.take(str(number))
    assert len(limit._buckets) == buckets.MOST_ADDRESSES
