"""How messages look on each kind of connection, and that a change is encoded once for all who see it alike."""

from __future__ import annotations

import json

import pytest

from hub.core.access import View
from hub.live.wires import EVENT_STREAM, WEBSOCKET, Outgoing
from hub.protocol import messages
from tests.protocol.facts import ENDING, change, position, session

A = View("aaaaaaaa", frozenset({"a"}))
B = View("bbbbbbbb", frozenset({"b"}))
HEARD = change(position(1), position(2), [{"op": "add", "path": "/a/x", "value": "é\n\r\u2028"}], "user:ada", "the-id")


def test_a_websocket_frame_is_the_message_as_json() -> None:
    """One text a frame."""
    message = messages.live(position(1), A)
    assert json.loads(WEBSOCKET.encode(message, A)) == message


def test_an_event_has_its_type_and_where_to_resume() -> None:
    """``id`` is position and view, so that ``Last-Event-ID`` resumes; line ends in values cannot break it."""
    frame = EVENT_STREAM.encode(messages.change(HEARD, A, is_own=False), A).decode()
    head, data = frame.removesuffix("\n\n").split("\ndata: ")
    assert head == f"event: change\nid: {position(2)}/aaaaaaaa"
    assert "\n" not in data
    assert "\r" not in data
    assert json.loads(data)["ops"] == HEARD.ops


@pytest.mark.parametrize("message", [messages.ended(ENDING), messages.mode("live", 5), messages.heartbeat(position(9))])
def test_events_that_do_not_move_the_copy_have_no_id(message: messages.Message) -> None:
    """A heartbeat's position is a question, not a place to resume from."""
    assert b"\nid:" not in b"\n" + EVENT_STREAM.encode(message, A)


def test_a_snapshot_is_an_event_to_resume_from() -> None:
    """As are changes and ``live``."""
    for message in (messages.snapshot(session(), A, "new"), messages.live(position(1), A)):
        assert f"id: {position(1)}/aaaaaaaa\n".encode() in EVENT_STREAM.encode(message, A)


def test_a_change_is_encoded_once_for_all_who_see_it_alike() -> None:
    """The very same bytes; another view, wire or authorship has bytes of its own."""
    outgoing = Outgoing(HEARD)
    frame = outgoing.frame(WEBSOCKET, A, is_own=False)
    assert outgoing.frame(WEBSOCKET, View("aaaaaaaa", A.sections), is_own=False) is frame
    others = [
        outgoing.frame(WEBSOCKET, A, True),
        outgoing.frame(WEBSOCKET, B, False),
        outgoing.frame(EVENT_STREAM, A, False),
    ]
    assert len({frame, *others}) == 4
    assert b"the-id" not in frame
    assert b"the-id" in others[0]
    assert b"user:ada" not in others[1]
