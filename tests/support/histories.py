"""A checker over what callers recorded under load: does it fit one history, with nothing lost and nothing twice?

It knows nothing of the hub. Each property raises ``AssertionError`` with what does not fit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hub.core.document import apply


@dataclass(frozen=True)
class Acknowledged:
    """A commit that was answered: its key, where it stands, and when it was asked and answered (seconds)."""

    key: str
    base: str
    position: str
    asked: float
    answered: float


@dataclass(frozen=True)
class Seen:
    """A read: the position it showed, and when it began."""

    position: str
    began: float


@dataclass
class Recorded:
    """What happened to one session: acknowledged commits, reads, and the history as the hub tells it."""

    first_position: str
    first_document: Any
    acknowledged: list[Acknowledged] = field(default_factory=list)
    reads: list[Seen] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)


def revision(position: str) -> int:
    """The number in a position."""
    return int(position.partition(".")[0])


def check_one_history(recorded: Recorded) -> None:
    """Every base is the position before, from the first to the last; no position is answered to two keys."""
    at = recorded.first_position
    for change in recorded.history:
        assert change["base"] == at, f"{change['base']} does not continue {at}"
        assert revision(change["position"]) == revision(at) + 1
        at = change["position"]
    keys: dict[str, str] = {}
    for each in recorded.acknowledged:
        assert keys.setdefault(each.position, each.key) == each.key, f"{each.position} was answered to two commits"


def check_nothing_lost(recorded: Recorded) -> None:
    """Each acknowledged commit is a step of the history."""
    steps = {(change["base"], change["position"]) for change in recorded.history}
    for each in recorded.acknowledged:
        assert (each.base, each.position) in steps, f"{each} is not in the history"


def check_nothing_twice(recorded: Recorded) -> None:
    """One key, one change: the marker each commit leaves is set once, and one key is answered one position."""
    answers: dict[str, str] = {}
    for each in recorded.acknowledged:
        assert answers.setdefault(each.key, each.position) == each.position, f"{each.key} has two positions"
    set_paths = Counter(op["path"] for change in recorded.history for op in change["ops"])
    assert not [path for path, times in set_paths.items() if times > 1], set_paths.most_common(3)


def check_reads(recorded: Recorded) -> None:
    """A read that began after an answer shows that commit or a later one."""
    for read in recorded.reads:
        before = [revision(each.position) for each in recorded.acknowledged if each.answered < read.began]
        assert revision(read.position) >= max(before, default=0), f"{read} is older than what was acknowledged"


def document_at(recorded: Recorded) -> Any:
    """The document that the history leads to."""
    document = recorded.first_document
    for change in recorded.history:
        document = apply(document, change["ops"])
    return document


def check(recorded: Recorded) -> None:
    """All of it."""
    check_one_history(recorded)
    check_nothing_lost(recorded)
    check_nothing_twice(recorded)
    check_reads(recorded)
