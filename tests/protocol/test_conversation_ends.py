"""The conversation of one connection: slow tabs, what tabs say, and the silence after the end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hub.errors import Forbidden, Malformed
from hub.protocol.close_codes import CloseCode
from hub.protocol.conversation import Action, Close, Conversation, Phase, Read, Reply, Send, Submit, Touch
from tests.protocol.facts import ENDING, chain_of, position, session
from tests.protocol.talks import COMMIT, OTHER, VIEW, behind, live, reason_of, told

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


def test_that_the_hub_is_live_again_is_told_of_a_copy_that_was_read_again() -> None:
    """Not of one that may show what the store has lost; that the hub is not live is told at once."""
    conversation = live()
    conversation.on_reload()
    assert told(conversation.on_mode("maintenance")) == ["mode"]
    assert conversation.on_mode("live") == []
    assert told(conversation.on_snapshot(session(at=position(3)))) == ["snapshot", "mode", "live"]
    assert told(conversation.on_mode("live")) == ["mode"]


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
