"""The conversation of one connection: a copy is right or it is replaced."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.change import Change
from hub.protocol.conversation import Conversation, Read, Show
from tests.protocol.facts import chain_of, change, position, session
from tests.protocol.talks import OTHER, VIEW, behind, live, reason_of, told

# opening


def test_a_new_copy_gets_a_snapshot_then_live() -> None:
    """Nothing to resume from: the whole document, and that it is current."""
    conversation = Conversation(VIEW)
    assert conversation.on_opened(None, None) == [Read(None)]
    actions = conversation.on_snapshot(session())
    assert told(actions) == ["snapshot", "live"]
    assert reason_of(actions) == "new"


def test_a_current_copy_gets_live_only() -> None:
    """It is told that what it shows is true."""
    conversation = Conversation(VIEW)
    assert conversation.on_opened(position(5), VIEW.name) == [Read(position(5))]
    assert told(conversation.on_changes([], position(5))) == ["live"]


def test_a_copy_that_missed_changes_gets_them_then_live() -> None:
    """In order, and no snapshot."""
    conversation = Conversation(VIEW)
    conversation.on_opened(position(5), VIEW.name)
    actions = conversation.on_changes(chain_of(6, 7), position(7))
    assert told(actions) == [6, 7, "live"]
    assert isinstance(actions[-1], Show)
    assert actions[-1].message["position"] == str(position(7))


@pytest.mark.parametrize("why", ["compacted", "fork", "ahead"])
def test_a_copy_that_history_does_not_know_gets_a_snapshot_and_the_reason(why: Any) -> None:
    """Once, then live."""
    conversation = Conversation(VIEW)
    conversation.on_opened(position(5), VIEW.name)
    actions = conversation.on_snapshot(session(), why)
    assert told(actions) == ["snapshot", "live"]
    assert reason_of(actions) == why


def test_a_copy_of_another_view_is_replaced() -> None:
    """A position alone does not say what of the document the copy shows."""
    conversation = Conversation(VIEW)
    assert conversation.on_opened(position(5), OTHER.name) == [Read(None)]
    assert reason_of(conversation.on_snapshot(session())) == "view"


@pytest.mark.parametrize(("at", "view"), [(position(5), None), (None, VIEW.name)])
def test_half_a_position_is_none(at: Any, view: Any) -> None:
    """Resuming needs both, or a snapshot comes."""
    conversation = Conversation(VIEW)
    assert conversation.on_opened(at, view) == [Read(None)]
    assert reason_of(conversation.on_snapshot(session())) == "new"


def test_a_feed_lost_while_opening_does_not_change_the_reason() -> None:
    """The read begins again, for the same reason as before."""
    conversation = Conversation(VIEW)
    conversation.on_opened(position(5), OTHER.name)
    assert conversation.on_reload() == [Read(None)]
    assert reason_of(conversation.on_snapshot(session())) == "view"


# what the feed brings while a read is under way


def test_changes_heard_while_reading_are_held_and_sorted_out_after() -> None:
    """What the read contains already is dropped, what continues it is pushed, then live."""
    conversation = Conversation(VIEW)
    conversation.on_opened(None, None)
    for heard in chain_of(2, 3, 4, 5):
        assert conversation.on_change(heard) == []
    actions = conversation.on_snapshot(session(at=position(3)))
    assert told(actions) == ["snapshot", 4, 5, "live"]
    assert isinstance(actions[-1], Show)
    assert actions[-1].message["position"] == str(position(5))


def test_a_gap_among_the_held_changes_means_reading_again_before_live() -> None:
    """``live`` is said only when it is true; what came after the gap waits for the next read."""
    conversation = Conversation(VIEW)
    conversation.on_opened(position(1), VIEW.name)
    gap = [chain_of(2)[0], change(position(3), position(4)), chain_of(5)[0]]
    conversation = Conversation(VIEW)
    conversation.on_opened(position(1), VIEW.name)
    for heard in gap:
        conversation.on_change(heard)
    assert told(conversation.on_changes([], position(1))) == [2, ("read", 2)]
    assert told(conversation.on_changes(chain_of(3, 4), position(4))) == [3, 4, 5, "live"]


def test_what_is_held_is_bounded_and_stays_right() -> None:
    """A read that takes long while much happens: the oldest are forgotten, which shows as a gap and is read again."""
    conversation = Conversation(VIEW)
    conversation.on_opened(position(1), VIEW.name)
    for heard in chain_of(*range(2, 2000)):
        conversation.on_change(heard)
    assert told(conversation.on_changes(chain_of(2), position(2))) == [2, ("read", 2)]
    assert told(conversation.on_snapshot(session(at=position(1999))))[-2:] == ["snapshot", "live"]


# live


def test_only_a_change_that_fits_is_pushed() -> None:
    """The next one is pushed, a known one ignored; a gap or a fork means reading again from where the copy stands."""
    assert told(live().on_change(chain_of(2)[0])) == [2]
    assert live(5).on_change(chain_of(5)[0]) == []
    assert live(5).on_change(chain_of(3)[0]) == []
    assert live(5).on_change(chain_of(7)[0]) == [Read(position(5))]
    assert live(5).on_change(chain_of(5, history="other")[0]) == [Read(position(5))]


def test_the_open_change_is_never_pushed() -> None:
    """It has no base: whoever is connected has read the session already."""
    first = Change("open", None, position(1), [], "user:ada", "t")
    assert live().on_change(first) == []


def test_a_lost_feed_means_reading_from_where_the_copy_stands() -> None:
    """What it misses is pushed; if nothing is missing, live is said again."""
    conversation = live(5)
    assert conversation.on_reload() == [Read(position(5))]
    assert told(conversation.on_changes(chain_of(6), position(6))) == [6, "live"]
    assert conversation.on_reload() == [Read(position(6))]
    assert conversation.on_reload() == [Read(position(6))]
    assert told(conversation.on_changes([], position(6))) == ["live"]


def test_answers_to_reads_that_nobody_waits_for_are_ignored() -> None:
    """A read that was overtaken says nothing."""
    assert live().on_changes(chain_of(2), position(2)) == []
    assert live().on_snapshot(session(at=position(9))) == []
    assert behind().on_snapshot(session(at=position(9))) == []


def test_a_changed_view_replaces_the_copy() -> None:
    """Even where a lost feed interrupts the read: the old copy is never continued under new rights."""
    conversation = live(5)
    assert conversation.on_view(VIEW) == []
    assert conversation.on_view(OTHER) == [Read(None)]
    assert conversation.on_reload() == [Read(None)]
    actions = conversation.on_snapshot(session(at=position(5)))
    assert reason_of(actions) == "view"
    assert actions[0].message["document"].keys() == {"a", "hidden"}  # type: ignore[union-attr]
