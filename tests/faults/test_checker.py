"""The checker itself: a forged history fails, each in its own way. A checker that cannot fail shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.support.histories import Acknowledged, Recorded, Seen, check

pytestmark = pytest.mark.faults


def honest() -> Recorded:
    """Three commits, two reads."""
    positions = ["1.aaaaaaaa", "2.bbbbbbbb", "3.cccccccc", "4.dddddddd"]
    steps = list(pairwise(positions))
    return Recorded(
        first_position=positions[0],
        first_document={"profile": {}},
        acknowledged=[Acknowledged(f"k{n}", base, at, n, n + 0.5) for n, (base, at) in enumerate(steps)],
        reads=[Seen(positions[1], 0.6), Seen(positions[3], 9.0)],
        history=[
            {"base": base, "position": at, "ops": [{"op": "add", "path": f"/profile/k{n}", "value": 1}]}
            for n, (base, at) in enumerate(steps)
        ],
    )


def lose_the_last(recorded: Recorded) -> None:
    """An acknowledged commit is missing."""
    recorded.history.pop()


def lose_the_middle(recorded: Recorded) -> None:
    """A gap."""
    del recorded.history[1]


def fork(recorded: Recorded) -> None:
    """Another history from the middle on."""
    recorded.history[1] = recorded.history[1] | {"position": "3.eeeeeeee"}


def double(recorded: Recorded) -> None:
    """The same commit took effect twice."""
    recorded.history.append(recorded.history[-1] | {"base": "4.dddddddd", "position": "5.eeeeeeee"})


def answer_twice(recorded: Recorded) -> None:
    """Two commits were told the same position."""
    recorded.acknowledged.append(replace(recorded.acknowledged[0], key="other"))


def split_a_key(recorded: Recorded) -> None:
    """One key was told two positions."""
    recorded.acknowledged[1] = replace(recorded.acknowledged[1], key="k0")


def read_the_past(recorded: Recorded) -> None:
    """A read shows less than what was acknowledged before it began."""
    recorded.reads.append(Seen("2.bbbbbbbb", 9.0))


async def test_an_honest_history_passes() -> None:
    """No false alarm."""
    check(honest())


@pytest.mark.parametrize(
    "forge",
    [lose_the_last, lose_the_middle, fork, double, answer_twice, split_a_key, read_the_past],
    ids=lambda f: f.__name__,
)
async def test_a_forged_history_fails(forge: Callable[[Recorded], None]) -> None:
    """Each forgery is found."""
    recorded = honest()
    forge(recorded)
    with pytest.raises(AssertionError):
        check(recorded)
