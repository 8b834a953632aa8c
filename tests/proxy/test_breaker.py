"""When an app's server is left alone, and how one finds out that it is back."""

from __future__ import annotations

from hub.proxy.breaker import FAILURES_TO_OPEN, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Breaker


def opened(at: float = 100.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        assert breaker.wait(at) == 0
        breaker.on_failure(at)
    return breaker


def test_failures_in_a_row_open_it_and_an_answer_between_them_does_not() -> None:
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES_TO_OPEN - 1):
            breaker.on_failure(0)
        breaker.on_answer()
    assert not breaker.is_open
    assert opened().is_open


def test_while_open_one_request_a_pause_may_pass() -> None:
    """The others hear at once how long to wait."""
    breaker = opened(at=100)
    assert breaker.wait(100.25) == FIRST_PAUSE_SECONDS - 0.25
    assert breaker.wait(100 + FIRST_PAUSE_SECONDS) == 0
    assert breaker.wait(100 + FIRST_PAUSE_SECONDS) == FIRST_PAUSE_SECONDS


def test_a_probe_that_fails_doubles_the_pause_up_to_a_limit() -> None:
    breaker, now, pauses = opened(at=0), 0.0, []
    for _ in range(8):
        now += breaker.wait(now)
        assert breaker.wait(now) == 0
        breaker.on_failure(now)
        pauses.append(breaker.wait(now))
    assert pauses == [2, 4, 8, 16, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, 30, 30]


def test_failures_of_requests_that_were_on_their_way_do_not_lengthen_the_pause() -> None:
    breaker = opened(at=100)
    for _ in range(20):
        breaker.on_failure(100.1)
    assert breaker.wait(100.1) <= FIRST_PAUSE_SECONDS


def test_a_probe_that_is_never_decided_blocks_nobody() -> None:
    """Its caller went away: after another pause the next one may try."""
    breaker = opened(at=0)
    assert breaker.wait(FIRST_PAUSE_SECONDS) == 0
    assert breaker.wait(2 * FIRST_PAUSE_SECONDS) == 0


def test_any_answer_closes_it() -> None:
    breaker = opened(at=0)
    assert breaker.wait(5) == 0
    breaker.on_answer()
    assert (breaker.is_open, breaker.wait(5)) == (False, 0)
