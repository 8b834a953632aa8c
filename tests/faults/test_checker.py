"""The checker itself: a forged record fails, each in its own way. A checker that cannot fail shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.support.histories import (
    Acknowledged,
    Ended,
    Frame,
    Recorded,
    Refused,
    Seen,
    Story,
    check,
    documents,
    losses_are_told,
    violations,
)

pytestmark = pytest.mark.faults

POSITIONS = ["1.aaaaaaaa", "2.bbbbbbbb", "3.cccccccc", "4.dddddddd"]
FIRST = {"profile": {"n": True}}


def honest() -> Recorded:
    """Three commits, three reads, a tab that heard it all, an end."""
    steps = list(pairwise(POSITIONS))
    recorded = Recorded(
        first_position=POSITIONS[0],
        first_document=FIRST,
        acknowledged=[Acknowledged(f"k{n}", base, at, n, n + 0.5) for n, (base, at) in enumerate(steps)],
        refused=[Refused("k9", "position_mismatch")],
        history=[
            {
                "base": base,
                "position": at,
                "ops": [{"op": "add", "path": f"/profile/{n}", "value": f"k{n}"}],
                "at": f"2026-11-24T10:00:0{n}.000Z",
            }
            for n, (base, at) in enumerate(steps)
        ],
        final=POSITIONS[-1],
    )
    recorded.reads = [
        Seen(POSITIONS[1], 0.6, 0.7),
        Seen(POSITIONS[3], 9.0, 9.1, documents(recorded)[POSITIONS[3]]),
        Seen(POSITIONS[3], 9.2, 9.3),
    ]
    heard = [{"type": "snapshot", "position": POSITIONS[0], "document": FIRST}]
    heard += [{"type": "change", **change} for change in recorded.history]
    heard.append({"type": "live", "position": POSITIONS[3]})
    recorded.stories = [Story("tab", [Frame(n, message) for n, message in enumerate(heard)])]
    return recorded


def over() -> Recorded:
    """The same, and the session was ended at 10."""
    recorded = honest()
    recorded.ended, recorded.final = Ended(9.9, 10.0), None
    recorded.stories[0].frames += [Frame(10.1, {"type": "ended"}), Frame(10.2, {"type": "closed", "code": 4500})]
    return recorded


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


def refuse_what_happened(recorded: Recorded) -> None:
    """A false 412."""
    recorded.refused.append(Refused("k1", "position_mismatch"))


def read_the_past(recorded: Recorded) -> None:
    """A read shows less than what was acknowledged before it began."""
    recorded.reads.append(Seen("2.bbbbbbbb", 9.0))


def read_backwards(recorded: Recorded) -> None:
    """A read shows less than another one that was finished before it began."""
    recorded.acknowledged.clear()
    recorded.reads.append(Seen("3.cccccccc", 9.15, 9.2))


def read_something_else(recorded: Recorded) -> None:
    """A read shows a document that never was: ``1`` is not ``true``."""
    recorded.reads[2] = replace(recorded.reads[2], document={"profile": {"n": 1, "0": "k0", "1": "k1", "2": "k2"}})


def skip_a_change(recorded: Recorded) -> None:
    """A tab was not told one change."""
    del recorded.stories[0].frames[2]


def change_a_change(recorded: Recorded) -> None:
    """A tab was told something else."""
    frames = recorded.stories[0].frames
    frames[2] = Frame(2, frames[2].message | {"ops": [{"op": "add", "path": "/profile/1", "value": "else"}]})


def break_a_change(recorded: Recorded) -> None:
    """A tab was told what cannot be done."""
    frames = recorded.stories[0].frames
    frames[2] = Frame(2, frames[2].message | {"ops": [{"op": "remove", "path": "/nowhere"}]})


def be_live_elsewhere(recorded: Recorded) -> None:
    """A tab was told it is up to date when it is not."""
    del recorded.stories[0].frames[3]


def stay_behind(recorded: Recorded) -> None:
    """A tab never heard the last change, nor that it is live."""
    del recorded.stories[0].frames[3:]


def turn_back_the_clock(recorded: Recorded) -> None:
    """One node's clock is wrong."""
    recorded.history[1] = recorded.history[1] | {"at": "2026-11-24T10:05:00.000Z"}


def fail(recorded: Recorded) -> None:
    """A caller got a 500."""
    recorded.failures.append("Something went wrong in the hub")


def commit_after_the_end(recorded: Recorded) -> None:
    """A commit succeeds on a session that is over."""
    recorded.acknowledged[-1] = replace(recorded.acknowledged[-1], asked=11.0, answered=11.5)


def read_after_the_end(recorded: Recorded) -> None:
    """A read does."""
    recorded.reads.append(Seen(POSITIONS[3], 11.0, 11.1))


def push_after_the_end(recorded: Recorded) -> None:
    """A change follows ``ended``."""
    frames = recorded.stories[0].frames
    frames.insert(-1, Frame(10.15, frames[3].message))


def come_back_after_the_end(recorded: Recorded) -> None:
    """A tab connects again, is told again that it is over, and had been told before."""
    recorded.stories[0].frames += recorded.stories[0].frames[-2:]


def close_late(recorded: Recorded) -> None:
    """A tab lives on for seconds."""
    recorded.stories[0].frames[-1] = Frame(13.0, {"type": "closed", "code": 4500})


def never_close(recorded: Recorded) -> None:
    """A tab lives on for good."""
    del recorded.stories[0].frames[-2:]


FORGERIES: dict[Callable[[Recorded], None], str] = {
    lose_the_last: "nothing_lost",
    lose_the_middle: "one_history",
    fork: "one_history",
    double: "nothing_twice",
    answer_twice: "one_history",
    split_a_key: "nothing_twice",
    refuse_what_happened: "nothing_twice",
    read_the_past: "reads_follow",
    read_backwards: "reads_follow",
    read_something_else: "copies_converge",
    skip_a_change: "copies_converge",
    change_a_change: "copies_converge",
    break_a_change: "copies_converge",
    be_live_elsewhere: "copies_converge",
    stay_behind: "copies_arrive",
    turn_back_the_clock: "clocks_agree",
    fail: "answers_are_clear",
    commit_after_the_end: "end_is_final",
    read_after_the_end: "end_is_final",
    push_after_the_end: "end_is_final",
    come_back_after_the_end: "end_is_final",
    close_late: "end_is_final",
    never_close: "end_is_final",
}


@pytest.mark.parametrize("record", [honest, over], ids=lambda f: f.__name__)
async def test_an_honest_record_passes(record: Callable[[], Recorded]) -> None:
    """No false alarm."""
    check(record())


@pytest.mark.parametrize(("forge", "broken"), FORGERIES.items(), ids=lambda f: getattr(f, "__name__", ""))
async def test_a_forged_record_fails(forge: Callable[[Recorded], None], broken: Any) -> None:
    """Each forgery is found, by the property it breaks."""
    recorded = over() if broken == "end_is_final" else honest()
    forge(recorded)
    assert any(fact.startswith(broken) for fact in violations(recorded)), violations(recorded)
    with pytest.raises(AssertionError):
        check(recorded)


def heard(*messages: tuple[str, str]) -> Recorded:
    """A tab that heard these types, at these positions."""
    frames = [Frame(n, {"type": kind, "position": at}) for n, (kind, at) in enumerate(messages)]
    return Recorded(POSITIONS[0], FIRST, stories=[Story("tab", frames)])


def test_a_loss_that_is_told() -> None:
    """By a snapshot, whatever was lost before it."""
    record = heard(
        ("snapshot", "1.aaaaaaaa"), ("change", "2.xxxxxxxx"), ("change", "3.xxxxxxxx"), ("snapshot", "1.aaaaaaaa")
    )
    assert not list(losses_are_told(record, {"2.xxxxxxxx", "3.xxxxxxxx"}))


@pytest.mark.parametrize("end", [("change", "2.bbbbbbbb"), ("live", "1.aaaaaaaa"), ("change", "3.xxxxxxxx")])
def test_a_loss_that_is_not_told(end: tuple[str, str]) -> None:
    """A change over it, a position without a document, or nothing at all."""
    record = heard(("snapshot", "1.aaaaaaaa"), ("change", "2.xxxxxxxx"), end)
    assert len(list(losses_are_told(record, {"2.xxxxxxxx", "3.xxxxxxxx"}))) == 1


@pytest.mark.parametrize(("deposed", "count"), [((0.0, 0.0), 1), ((7.0, 8.0), 1), ((8.0, 10.0), 0)])
def test_reads_beside_a_deposed_primary(deposed: tuple[float, float], count: int) -> None:
    """Are forgiven for as long as one may stand there, and no longer."""
    record = honest()
    record.reads[1] = Seen(POSITIONS[2], 9.0, 9.1)
    record.deposed = deposed
    assert len(violations(record)) == count
