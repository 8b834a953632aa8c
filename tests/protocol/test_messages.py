"""Messages: how they look on the wire, and that nothing a tab can send is more than malformed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.access import View
from hub.core.document import Op
from hub.core.json import dumps
from hub.core.position import Position
from hub.errors import Malformed, SchemaViolation
from hub.protocol import messages
from hub.protocol.messages import Activity, BadCommit, CommitRequest, Ping, Unknown
from tests.core.strategies import quick, values
from tests.protocol.facts import ENDING, change, position, session

VIEW = View("5be01c77", frozenset({"a"}))
ID = "abcdefgh-1234_XYZ"
AT = Position(42, "9f3a1c02")


def wire(message: messages.Message) -> str:
    return dumps(message).decode()


# hub → tab


def test_a_snapshot_shows_the_visible_document() -> None:
    """Type first, the members of the contract, and nothing of other sections."""
    message = messages.snapshot(session({"a": 1, "hidden": 2}), VIEW, "new")
    assert wire(message).startswith('{"type":"snapshot",')
    assert message == {
        "type": "snapshot",
        "position": str(position(1)),
        "view": "5be01c77",
        "reason": "new",
        "session": {"sid": session().sid, "user": "ada", "expires_at": "2025-11-24T16:00:00.000Z"},
        "document": {"a": 1},
    }


def test_a_change_shows_the_visible_ops_and_its_commit_to_its_author_only() -> None:
    """The interval is always told; who did it only where something is seen; the commit id only to its author."""
    ops: list[Op] = [{"op": "add", "path": "/a/x", "value": 1}, {"op": "add", "path": "/hidden/x", "value": 2}]
    heard = change(position(1), position(2), ops, "app:a", ID)
    for is_own in (True, False):
        message = messages.change(heard, VIEW, is_own=is_own)
        assert message == {
            "type": "change",
            "base": str(position(1)),
            "position": str(position(2)),
            "ops": ops[:1],
            "actor": "app:a",
            "at": "2026-11-24T10:00:00.123Z",
        } | ({"commit": ID} if is_own else {})


@pytest.mark.parametrize("is_own", [True, False])
def test_a_change_outside_the_view_is_empty_and_nameless(is_own: bool) -> None:
    """It keeps the chain of positions whole, and tells nothing else: no actor, no commit."""
    ops: list[Op] = [{"op": "add", "path": "/hidden/x", "value": 2}, {"op": "remove", "path": "/hidden~1a"}]
    message = messages.change(change(position(1), position(2), ops, "app:a", ID), VIEW, is_own)
    assert message.keys() == {"type", "base", "position", "ops", "at"}
    assert message["ops"] == []


def test_the_other_messages_look_as_in_the_contract() -> None:
    """Byte for byte."""
    assert wire(messages.live(AT, VIEW)) == '{"type":"live","position":"42.9f3a1c02","view":"5be01c77"}'
    assert wire(messages.committed("i", AT, changed=True)) == (
        '{"type":"committed","id":"i","position":"42.9f3a1c02","changed":true}'
    )
    assert wire(messages.mode("read_only", 5)) == '{"type":"mode","mode":"read_only","retry_after_seconds":5}'
    assert wire(messages.mode("live", 5)) == '{"type":"mode","mode":"live"}'
    assert wire(messages.heartbeat(AT)) == '{"type":"heartbeat","position":"42.9f3a1c02"}'
    assert wire(messages.heartbeat(None)) == '{"type":"heartbeat"}'
    shown = {"id": "c", "app": "a", "since": "s"}
    assert json.loads(wire(messages.presence([shown]))) == {"type": "presence", "connections": [shown]}
    assert wire(messages.ended(ENDING)) == (
        '{"type":"ended","reason":"revoked","detail":"by the desk","ended_at":"2025-11-24T16:00:00.123Z"}'
    )


def test_a_refusal_is_the_problem_of_the_http_interface() -> None:
    """Code, status, title, detail, retryable, and the facts of the refusal."""
    message = messages.rejected("i", SchemaViolation("no", errors=[{"pointer": "/a", "message": "m"}]))
    assert message["type"], message["id"] == ("rejected", "i")
    problem = message["problem"]
    assert (problem["code"], problem["status"], problem["retryable"]) == ("schema_violation", 422, False)
    assert problem["errors"] == [{"pointer": "/a", "message": "m"}]
    assert {"title", "detail"} <= problem.keys()


# tab → hub


def test_a_commit_carries_its_patch_its_condition_and_its_own_text() -> None:
    """The text is what the id stands for when it comes again."""
    frame = json.dumps({"type": "commit", "id": ID, "patch": {"a": {"x": None}}, "if_position": str(AT)})
    request = messages.parse(frame)
    assert isinstance(request, CommitRequest)
    assert (request.id, request.if_position, request.text) == (ID, AT, frame.encode())
    assert request.patch.ops_for({"a": {"x": 1}}, 100) == [{"op": "remove", "path": "/a/x"}]
    ops = [{"op": "add", "path": "/a", "value": 1}]
    request = messages.parse(json.dumps({"type": "commit", "id": ID, "ops": ops, "new": "member"}).encode())
    assert isinstance(request, CommitRequest)
    assert request.if_position is None
    assert request.patch.ops_for({}, 100) == ops


def test_the_other_messages_of_a_tab() -> None:
    """Unknown types are ignored, so that clients may be newer than the hub."""
    assert messages.parse('{"type":"ping"}') == Ping()
    assert messages.parse('{"type":"activity","x":1}') == Activity()
    assert messages.parse('{"type":"dance"}') == Unknown()


BREAKS_THE_PROTOCOL: dict[str, str | bytes] = {
    "empty": "",
    "not json": "{",
    "no object": "[]",
    "null": "null",
    "no type": "{}",
    "type is no text": '{"type":1}',
    "type twice": '{"type":"ping","type":"commit"}',
    "commit without id": '{"type":"commit","patch":{}}',
    "id is no text": '{"type":"commit","id":1,"patch":{}}',
    "id too short": '{"type":"commit","id":"123456789012345","patch":{}}',
    "id too long": json.dumps({"type": "commit", "id": "a" * 65, "patch": {}}),
    "id of other characters": '{"type":"commit","id":"aaaaaaaaaaaaaaaaé","patch":{}}',
    "id with a line end": '{"type":"commit","id":"aaaaaaaaaaaaaaaa\\n","patch":{}}',
    "too long": json.dumps({"type": "ping", "x": "x" * 65536}),
    "too long in bytes, not in characters": json.dumps({"type": "ping", "x": "é" * 40_000}, ensure_ascii=False),
    "lone surrogate": '{"type":"ping","x":"\ud800"}',
    "escaped lone surrogate": '{"type":"ping","x":"\\ud800"}',
    "no utf-8": b'{"type":"ping","x":"\xff"}',
    "too deep": '{"type":"ping","x":' + "[" * 64 + "]" * 64 + "}",
    "too large an integer": '{"type":"ping","x":9007199254740992}',
}


@pytest.mark.parametrize("name", BREAKS_THE_PROTOCOL)
def test_a_frame_that_breaks_the_protocol_is_malformed(name: str) -> None:
    """These close the connection: there is nobody to answer."""
    with pytest.raises(Malformed):
        messages.parse(BREAKS_THE_PROTOCOL[name])


BAD_COMMITS: dict[str, Any] = {
    "neither patch nor ops": {},
    "both": {"patch": {}, "ops": []},
    "patch is no object": {"patch": []},
    "patch is null": {"patch": None},
    "ops is no list": {"ops": {}},
    "bad operation": {"ops": [{"op": "dance", "path": "/a"}]},
    "bad pointer": {"ops": [{"op": "remove", "path": "a"}]},
    "position is a number": {"patch": {}, "if_position": 42},
    "position is an object": {"patch": {}, "if_position": {}},
    "no position": {"patch": {}, "if_position": "42"},
}


@pytest.mark.parametrize("name", BAD_COMMITS)
def test_a_bad_commit_with_an_id_can_be_answered(name: str) -> None:
    """One wrong commit costs its author a refusal, not the connection."""
    request = messages.parse(json.dumps({"type": "commit", "id": ID} | BAD_COMMITS[name]))
    assert isinstance(request, BadCommit)
    assert request.id == ID
    assert request.error.code == "malformed"


def test_a_frame_of_the_largest_size_is_read() -> None:
    """The limit itself is allowed."""
    frame = '{"type":"ping","x":"' + "x" * (65536 - 22) + '"}'
    assert len(frame) == 65536
    assert messages.parse(frame) == Ping()


members = st.fixed_dictionaries(
    {"type": st.sampled_from(["commit", "ping", "activity", "x"]) | values},
    optional={
        "id": st.just(ID) | values,
        "patch": values,
        "ops": values | st.lists(st.dictionaries(st.sampled_from(["op", "path", "from", "value"]), values)),
        "if_position": st.just(str(AT)) | values,
    },
)


@quick
@given(st.binary(max_size=60) | st.text(max_size=60) | members.map(json.dumps))
@example("\ud800")
@example('{"type":"commit","id":"' + ID + '","ops":[{"op":"add","path":"/a","value":1,"op":"x"}]}')
def test_whatever_a_tab_sends_is_read_or_malformed(frame: str | bytes) -> None:
    """No other exception, whatever comes."""
    try:
        read = messages.parse(frame)
    except Malformed:
        return
    assert isinstance(read, CommitRequest | BadCommit | Ping | Activity | Unknown)
