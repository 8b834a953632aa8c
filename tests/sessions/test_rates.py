"""Commits are counted by session for users and apps, by service for services."""

from __future__ import annotations

import pytest

from hub.core.principal import Principal
from hub.errors import RateLimited
from hub.sessions.rates import MOST_BUCKETS, Rates

USER = Principal(kind="user", name="ada", grants={})
APP = Principal(kind="app", name="a", grants={})
SERVICE = Principal(kind="service", name="billing", grants={})


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_users_and_apps_share_the_rate_of_their_session() -> None:
    """Three a second: the fourth in the same second is refused, whoever sends it; another session is not."""
    clock = Clock()
    rates = Rates(3, 0, clock)
    for principal in (USER, APP, USER):
        rates.take(principal, "s1")
    with pytest.raises(RateLimited) as refused:
        rates.take(APP, "s1")
    assert refused.value.headers()["Retry-After"] == "1"
    rates.take(USER, "s2")
    clock.now += 0.34
    rates.take(USER, "s1")


def test_a_service_has_a_rate_of_its_own_over_all_sessions() -> None:
    """And it does not use up the sessions' rates."""
    rates = Rates(1, 2, Clock())
    rates.take(SERVICE, "s1")
    rates.take(SERVICE, "s2")
    with pytest.raises(RateLimited):
        rates.take(SERVICE, "s3")
    rates.take(USER, "s1")


def test_zero_is_no_limit_and_memory_is_bounded() -> None:
    """However many sessions there are."""
    rates = Rates(0, 0, Clock())
    for _ in range(1000):
        rates.take(USER, "s1")
    rates = Rates(1, 0, Clock())
    for number in range(MOST_BUCKETS + 100):
        rates.take(USER, f"s{number}")
    assert len(rates._sessions) == MOST_BUCKETS
