"""The conversation of one connection: a copy is right or it is replaced, and after the end there is silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hub.core.access import View
from hub.core.change import Change
from hub.errors import Forbidden, Malformed
from hub.protocol.close_codes import CloseCode
from hub.protocol.conversation import Action, Close, Conversation, Phase, Push, Read, Reply, Send, Show, Submit, Touch
from tests.protocol.facts import ENDING, chain_of, change, position, session

VIEW = View("5be01c77", frozenset({"a"}))
OTHER = View("0badcafe", frozenset({"a", "hidden"}))
COMMIT = '{"type":"commit","id":"abcdefgh-1234_XYZ","patch":{}}'


def told(actions: Sequence[Action]) -> list[Any]:
    """The actions in short: types of messages, positions of changes, and the rest by class."""
    return [_short(action) for action in actions]


def _short(action: Action) -> Any:
    match action:
        case Send(message) | Show(message) | Reply(message):
            return message["type"]
        case Push(heard):
            return heard.position.revision
        case Read(since):
            return ("read", since.revision if since else None)
        case Close(code):
            return code
        case _:
            return type(action)


def reason_of(actions: Sequence[Action]) -> Any:
    return next(each.message["reason"] for each in actions if isinstance(each, Show))


def live(revision: int = 1) -> Conversation:
    """A conversation that stands live at ``revision``."""
    conversation = Conversation(VIEW)
    conversation.on_opened(None, None)
    conversation.on_snapshot(session(at=position(revision)))
    return conversation


def behind(revision: int = 1) -> Conversation:
    """One whose outbox overflowed."""
    conversation = live(revision)
    conversation.on_change(chain_of(revision + 1)[0])
    conversation.on_overflow()
    return conversation


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


# slow tabs


def test_a_copy_that_is_behind_gets_one_snapshot_when_its_outbox_has_drained() -> None:
    """Changes meanwhile are not pushed; draining asks for the whole document, once."""
    conversation = behind(1)
    assert conversation.on_change(chain_of(3)[0]) == []
    assert conversation.on_reload() == []
    assert conversation.on_drained() == [Read(None)]
    assert conversation.on_drained() == []
    actions = conversation.on_snapshot(session(at=position(9)))
    assert told(actions) == ["snapshot", "live"]
    assert reason_of(actions) == "reload"
    assert conversation.on_drained() == []


def test_a_copy_that_lost_changes_is_never_continued() -> None:
    """A feed lost during the snapshot's read begins that read again: from nothing, not from what was never received."""
    conversation = behind(1)
    conversation.on_drained()
    assert conversation.on_reload() == [Read(None)]


def test_an_overflow_while_reading_is_remembered() -> None:
    """The changes dropped were part of what the read would continue: its answer is of no use any more."""
    conversation = live(1)
    conversation.on_change(chain_of(2)[0])
    conversation.on_reload()
    conversation.on_overflow()
    assert conversation.phase is Phase.BEHIND
    assert conversation.on_changes([], position(2)) == []
    assert conversation.on_drained() == [Read(None)]


def test_what_the_hub_can_do_is_told_again_after_an_overflow() -> None:
    """Mode and presence may have been dropped with the changes around them; the last word counts."""
    conversation = live()
    conversation.on_mode("maintenance")
    conversation.on_mode("read_only")
    conversation.on_presence([{"id": "1"}])
    conversation.on_overflow()
    actions = conversation.on_drained()
    assert actions[0] == Read(None)
    assert [each.message for each in actions if isinstance(each, Send)] == [
        {"type": "mode", "mode": "read_only", "retry_after_seconds": 5},
        {"type": "presence", "connections": [{"id": "1"}]},
    ]


def test_no_heartbeat_names_a_position_the_tab_never_heard_of() -> None:
    """It would take that for a lost change and start over."""
    conversation = live(1)
    assert told(conversation.on_heartbeat()) == ["heartbeat"]
    assert conversation.on_frame('{"type":"ping"}') == [Send({"type": "heartbeat", "position": str(position(1))})]
    conversation = behind(1)
    assert conversation.on_heartbeat() == []
    assert conversation.on_frame('{"type":"ping"}') == [Send({"type": "heartbeat"})]
    conversation.on_drained()
    assert conversation.on_frame('{"type":"ping"}') == [Send({"type": "heartbeat"})]


# the tab


def test_a_commit_is_submitted_and_answered_once() -> None:
    """In whatever phase: its answer does not depend on the copy."""
    for conversation in (live(), behind(), Conversation(VIEW)):
        assert told(conversation.on_frame(COMMIT)) == [Submit]
        assert told(conversation.on_committed("i", position(2), changed=True)) == ["committed"]
        assert isinstance(conversation.on_rejected("i", Forbidden())[0], Reply)


def test_a_bad_commit_is_answered_and_a_bad_frame_ends_it() -> None:
    """4502, and nothing after."""
    conversation = live()
    assert told(conversation.on_frame('{"type":"commit","id":"abcdefgh-1234_XYZ"}')) == ["rejected"]
    assert told(conversation.on_frame("{")) == [CloseCode.BAD_MESSAGE]
    assert conversation.on_frame("{") == []


def test_activity_touches_and_the_unknown_is_ignored() -> None:
    """So that clients may be newer than the hub."""
    assert told(live().on_frame('{"type":"activity"}')) == [Touch]
    assert live().on_frame('{"type":"dance"}') == []


# the end


@pytest.mark.parametrize("conversation", [Conversation(VIEW), live(), behind()], ids=["reading", "live", "behind"])
def test_nothing_follows_the_end(conversation: Conversation) -> None:
    """One close that says ``ended``; every later fact is met with silence."""
    ended = conversation.on_ended(ENDING)
    assert told(ended) == [CloseCode.ENDED]
    assert isinstance(ended[0], Close)
    assert ended[0].last == {
        "type": "ended",
        "reason": "revoked",
        "detail": "by the desk",
        "ended_at": "2025-11-24T16:00:00.123Z",
    }
    silence: list[Sequence[Action]] = [
        conversation.on_ended(ENDING),
        conversation.on_change(chain_of(2)[0]),
        conversation.on_changes(chain_of(2), position(2)),
        conversation.on_snapshot(session()),
        conversation.on_reload(),
        conversation.on_view(OTHER),
        conversation.on_overflow(),
        conversation.on_drained(),
        conversation.on_frame(COMMIT),
        conversation.on_frame("{"),
        conversation.on_broken("x"),
        conversation.on_committed("i", position(2), changed=True),
        conversation.on_rejected("i", Malformed()),
        conversation.on_mode("live"),
        conversation.on_presence([]),
        conversation.on_heartbeat(),
        conversation.on_closing(CloseCode.SHUTDOWN),
    ]
    assert silence == [[]] * len(silence)


def test_a_node_may_close_without_an_end() -> None:
    """With a code and a reason, and without ``ended``."""
    assert live().on_closing(CloseCode.SHUTDOWN, "5000") == [Close(CloseCode.SHUTDOWN, "5000")]
