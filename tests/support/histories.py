"""A checker over what callers recorded under load: do answers, reads and frames fit one history?

It knows nothing of the hub but its wire words. ``violations`` names every property that does not hold and
what shows it; an empty list is the proof. Times are seconds of one monotonic clock; only their order counts,
and an operation counts as *before* another only if it was answered before the other was asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from hub.core.document import apply
from hub.core.json import equal
from hub.errors import PatchConflict

CLOSE_SECONDS = 1.0
BACKWARDS_SECONDS = 1.0  # the store's clock is heard with each answer; nodes may differ by that little


@dataclass(frozen=True)
class Acknowledged:
    """A commit that was answered: its key, where it stands, and when it was asked and answered."""

    key: str
    base: str
    position: str
    asked: float
    answered: float


@dataclass(frozen=True)
class Refused:
    """A commit that was told it did not happen (412, 409): its key and the code."""

    key: str
    code: str


@dataclass(frozen=True)
class Seen:
    """A read: the position it showed, when it was asked and answered, and the document if it showed that too."""

    position: str
    began: float
    finished: float = float("inf")
    document: Any = None


@dataclass(frozen=True)
class Ended:
    """The session was ended: when that was asked and acknowledged, and how long its connections may live on."""

    asked: float
    answered: float
    close_seconds: float = CLOSE_SECONDS


@dataclass(frozen=True)
class Frame:
    """What a tab heard: a message of the hub, or ``{"type": "closed", "code": …}``."""

    at: float
    message: dict[str, Any]


@dataclass
class Story:
    """All that one tab heard, over all its connections."""

    name: str
    frames: list[Frame] = field(default_factory=list)


@dataclass
class Recorded:
    """What happened to one session. ``history`` is the store's, from ``first_position`` on, as
    ``{base, position, ops, at?}``; ``final`` is where it stands after quiet, ``None`` if it was not looked at."""

    first_position: str
    first_document: Any
    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    reads: list[Seen] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    stories: list[Story] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ended: Ended | None = None
    final: str | None = None
    may_forget: bool = False  # a primary was lost: what was seen of it and never acknowledged may be gone
    deposed: tuple[float, float] = (0.0, 0.0)  # from when to when a node may have stood beside such a one


def revision(position: str) -> int:
    """The number in a position."""
    return int(position.partition(".")[0])


def one_history(recorded: Recorded) -> Iterator[str]:
    """Every base is the position before, from the first to the last; no position is answered to two keys."""
    at = recorded.first_position
    for change in recorded.history:
        if change["base"] != at or revision(change["position"]) != revision(at) + 1:
            yield f"{change['base']} → {change['position']} does not continue {at}"
        at = change["position"]
    keys: dict[str, str] = {}
    for each in recorded.acknowledged:
        if keys.setdefault(each.position, each.key) != each.key:
            yield f"{each.position} was answered to two commits"


def lost_of(recorded: Recorded) -> list[Acknowledged]:
    """The acknowledged commits that are no step of the history."""
    steps = {(change["base"], change["position"]) for change in recorded.history}
    return [each for each in recorded.acknowledged if (each.base, each.position) not in steps]


def nothing_lost(recorded: Recorded) -> Iterator[str]:
    """Each acknowledged commit is a step of the history."""
    yield from (f"{each} is not in the history" for each in lost_of(recorded))


def marks(recorded: Recorded) -> Counter[str]:
    """How often each text was written: every commit of a load writes its own key, once."""
    values = (op.get("value") for change in recorded.history for op in change["ops"])
    texts = (text for value in values for text in (value if isinstance(value, list) else [value]))
    return Counter(text for text in texts if isinstance(text, str))


def nothing_twice(recorded: Recorded) -> Iterator[str]:
    """One key, one change and one answer; what was refused as not done is not done."""
    answers: dict[str, str] = {}
    for each in recorded.acknowledged:
        if answers.setdefault(each.key, each.position) != each.position:
            yield f"{each.key} has two positions"
    written = marks(recorded)
    yield from (f"{key} took effect {times} times" for key, times in written.items() if times > 1)
    yield from (f"{each} although it took effect" for each in recorded.refused if each.key in written)


def reads_follow(recorded: Recorded) -> Iterator[str]:
    """A read shows every commit acknowledged, and nothing older than any read finished, before it began."""
    facts = [(each.answered, revision(each.position)) for each in recorded.acknowledged]
    if not recorded.may_forget:
        facts += [(each.finished, revision(each.position)) for each in recorded.reads]
    facts.sort(reverse=True)
    least = 0
    since, until = recorded.deposed
    for read in sorted(recorded.reads, key=lambda read: read.began):
        while facts and facts[-1][0] < read.began:
            least = max(least, facts.pop()[1])
        if revision(read.position) < least and not since < read.began < until:
            yield f"{read.position} was read when {least} was known"


def documents(recorded: Recorded) -> dict[str, Any]:
    """The document at each position of the history."""
    document = recorded.first_document
    found = {recorded.first_position: document}
    for change in recorded.history:
        document = apply(document, change["ops"])
        found[change["position"]] = document
    return found


def document_at(recorded: Recorded) -> Any:
    """The document that the history leads to."""
    return list(documents(recorded).values())[-1]


def copies_converge(recorded: Recorded) -> Iterator[str]:
    """What a tab built from its frames is, at each position, the document there; so is what reads showed."""
    known = documents(recorded)
    for read in recorded.reads:
        if read.document is None or (recorded.may_forget and read.position not in known):
            continue
        if not equal(read.document, known.get(read.position)):
            yield f"a read at {read.position} showed another document"
    for story in recorded.stories:
        yield from _replayed(story, known, recorded.may_forget)


def _replayed(story: Story, known: dict[str, Any], may_forget: bool) -> Iterator[str]:
    at, document = "", None
    for frame in story.frames:
        message = frame.message
        match message["type"]:
            case "snapshot":
                at, document = message["position"], message["document"]
            case "change":
                if message["base"] != at:
                    yield f"{story.name}: {message['base']} does not continue {at}"
                try:
                    document = apply(document or {}, message["ops"])
                except PatchConflict as error:
                    yield f"{story.name}: {message['position']} does not apply: {error}"
                at = message["position"]
            case "live" if message["position"] != at:
                yield f"{story.name}: live at {message['position']}, the copy is at {at}"
            case _:
                continue
        if not equal(document, known.get(at)) and not (may_forget and at not in known):
            yield f"{story.name}: at {at} the copy differs from the history"


def copies_arrive(recorded: Recorded) -> Iterator[str]:
    """After quiet every tab is where the store is."""
    if recorded.final is None:
        return
    for story in recorded.stories:
        places = [frame.message["position"] for frame in story.frames if _moves(frame)]
        if not places or places[-1] != recorded.final:
            yield f"{story.name} is at {places[-1:]} when the store is at {recorded.final}"


def _moves(frame: Frame) -> bool:
    return frame.message["type"] in ("snapshot", "change", "live")


def losses_are_told(recorded: Recorded, lost: Collection[str]) -> Iterator[str]:
    """A tab that showed a position which is gone hears a snapshot next, and none goes on showing one."""
    for story in recorded.stories:
        shows = ""
        for message in [frame.message for frame in story.frames if _moves(frame)]:
            if shows in lost and message["position"] not in lost and message["type"] != "snapshot":
                yield f"{story.name} went from {shows} to {message['position']} without a snapshot"
            shows = message["position"]
        if shows in lost:
            yield f"{story.name} still shows {shows}"


def end_is_final(recorded: Recorded) -> Iterator[str]:
    """Nothing asked after the end was acknowledged succeeds; tabs hear ``ended``, nothing more, and are closed."""
    if recorded.ended is None:
        return
    end = recorded.ended
    yield from (f"{each} was asked after the end" for each in recorded.acknowledged if each.asked > end.answered)
    yield from (f"{each.position} was read after the end" for each in recorded.reads if each.began > end.answered)
    for story in recorded.stories:
        types = [frame.message["type"] for frame in story.frames]
        if types[-2:] != ["ended", "closed"] or story.frames[-1].message["code"] != 4500:
            yield f"{story.name} heard {types[-4:]} in the end"
        elif "ended" in types[:-2]:
            yield f"{story.name} heard something after ended"
        elif (late := story.frames[-1].at - end.answered) > end.close_seconds:
            yield f"{story.name} was closed {late:.1f} s after the end"


def clocks_agree(recorded: Recorded) -> Iterator[str]:
    """The times in the history go forward, whichever node wrote them."""
    times = [datetime.fromisoformat(change["at"]) for change in recorded.history if "at" in change]
    for before, after in pairwise(times):
        if (before - after).total_seconds() > BACKWARDS_SECONDS:
            yield f"{after} follows {before}"


def answers_are_clear(recorded: Recorded) -> Iterator[str]:
    """No caller met an error of the hub's own (a 5xx that is no 503)."""
    yield from recorded.failures


PROPERTIES = (
    answers_are_clear,
    one_history,
    nothing_lost,
    nothing_twice,
    reads_follow,
    copies_converge,
    copies_arrive,
    end_is_final,
    clocks_agree,
)


def violations(recorded: Recorded) -> list[str]:
    """Each as ``property: what shows it``."""
    return [f"{holds.__name__}: {fact}" for holds in PROPERTIES for fact in _facts(holds, recorded)]


def _facts(holds: Any, recorded: Recorded) -> list[str]:
    try:
        return list(holds(recorded))
    except PatchConflict as error:
        return [f"the history does not apply to itself: {error}"]


def check(recorded: Recorded) -> None:
    """All of it. Raises ``AssertionError`` with what does not fit."""
    found = violations(recorded)
    assert not found, found[:5]
