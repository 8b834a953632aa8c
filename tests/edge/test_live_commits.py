"""Commits and other messages of a tab, and what each is answered."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.answers import good
from tests.support.nodes import SERVICE_KEY, Node
from tests.support.tabs import Opened, Tab, merge, open_tab

pytestmark = pytest.mark.edge


def new_id() -> str:
    """A commit id nobody used."""
    return uuid.uuid4().hex


@pytest.fixture
async def tab(node: Node, opened: Opened) -> AsyncIterator[Tab]:
    """A tab of Ada's that has caught up."""
    async with await open_tab(node, opened.token) as made:
        yield await made.until_live()


async def commit(tab: Tab, commit_id: str | None = None, **members: Any) -> dict[str, Any]:
    """Send a commit and wait for its answer."""
    commit_id = commit_id or new_id()
    seen = len(tab.frames)
    await tab.send({"type": "commit", "id": commit_id, **members})
    await tab.until(lambda tab: any(frame.get("id") == commit_id for frame in tab.frames[seen:]))
    return next(frame for frame in tab.frames[seen:] if frame.get("id") == commit_id)


async def test_a_commit_of_a_tab_is_answered_and_pushed(node: Node, opened: Opened, tab: Tab) -> None:
    """``committed`` to its author; the change to all, with the author's id only on the author's connections."""
    commit_id = new_id()
    async with await open_tab(node, opened.token) as other:
        await other.until_live()
        said = await commit(tab, commit_id, patch={"profile": {"name": "Ada"}})
        assert said == {"type": "committed", "id": commit_id, "position": said["position"], "changed": True}
        for each in (tab, other):
            await each.until(lambda tab: tab.position == said["position"])
            change = next(frame for frame in each.frames if frame["type"] == "change")
            assert (change["actor"], change["commit"]) == ("user:ada", commit_id)
            assert each.document["profile"] == {"name": "Ada"}


async def test_another_principal_does_not_learn_the_id(
    node: Node, opened: Opened, tab: Tab, service: httpx.AsyncClient
) -> None:
    """A service's key is not shown to the user, nor the user's to the service."""
    key = new_id()
    async with await (await open_tab(node, SERVICE_KEY, opened.sid)).until_live() as follower:
        good(await merge(service, opened.sid, {"profile": {"a": 1}}, **{"Idempotency-Key": key}))
        await commit(tab, patch={"profile": {"b": 1}})
        await tab.until(lambda tab: tab.position.startswith("3."))
        await follower.until(lambda tab: tab.position.startswith("3."))
        commits = [
            [frame.get("commit") for frame in each.frames if frame["type"] == "change"] for each in (tab, follower)
        ]
        assert commits[0][0] is None
        assert commits[0][1] is not None
        assert commits[1] == [key, None]


async def test_ops_and_a_position_can_be_given(tab: Tab) -> None:
    """JSON Patch; ``if_position`` insists."""
    said = await commit(tab, ops=[{"op": "add", "path": "/cart", "value": {"n": 1}}], if_position=tab.position)
    assert said["changed"] is True
    rejected = await commit(tab, patch={"cart": {"n": 2}}, if_position="1.00000000")
    problem = rejected["problem"]
    assert (rejected["type"], problem["code"], problem["status"]) == ("rejected", "position_mismatch", 412)
    assert problem["current"] == said["position"]


async def test_the_same_id_again_gets_the_same_answer(node: Node, opened: Opened, tab: Tab) -> None:
    """On this connection and on the next one; the change happens once."""
    commit_id, members = new_id(), {"patch": {"cart": {"n": 1}}}
    first = await commit(tab, commit_id, **members)
    assert await commit(tab, commit_id, **members) == first
    async with await open_tab(node, opened.token) as later:
        await later.until_live()
        assert await commit(later, commit_id, **members) == first
        assert later.position == first["position"]
        other = await commit(later, commit_id, patch={"cart": {"n": 2}})
        assert other["problem"]["code"] == "idempotency_mismatch"


async def test_a_commit_that_changes_nothing_makes_no_change(tab: Tab) -> None:
    """``changed: false`` at the position there was."""
    said = await commit(tab, patch={"profile": {}})
    assert (said["type"], said["changed"], said["position"]) == ("committed", False, tab.position)
    assert "change" not in tab.types


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"patch": {"nonsense": 1}}, "unknown_section"),
        ({"patch": {"shown": 1}}, "forbidden"),
        ({"patch": {"identity": {"name": "Eve"}}}, "forbidden"),
        ({"patch": {"preferences": {"theme": "pink"}}}, "schema_violation"),
        ({"patch": {"cart": {"note": "x" * 5000}}}, "too_large"),
        ({"ops": [{"op": "remove", "path": "/cart/nothing"}]}, "patch_conflict"),
        ({"patch": []}, "malformed"),
        ({"patch": None}, "malformed"),
        ({"ops": {}}, "malformed"),
        ({"ops": [{"op": "erase"}]}, "malformed"),
        ({}, "malformed"),
        ({"patch": {}, "ops": []}, "malformed"),
        ({"patch": {}, "if_position": 7}, "malformed"),
        ({"patch": {}, "if_position": "nonsense"}, "malformed"),
    ],
    ids=str,
)
async def test_a_refused_commit_is_rejected_with_its_problem(tab: Tab, members: dict[str, Any], code: str) -> None:
    """The connection stays, the copy too."""
    said = await commit(tab, **members)
    assert said["type"] == "rejected"
    assert said["problem"]["code"] == code
    assert {"status", "title", "detail", "retryable"} <= said["problem"].keys()
    assert (await commit(tab, patch={"cart": {"fine": True}}))["type"] == "committed"


@pytest.mark.parametrize(
    "frame",
    [
        "nonsense",
        "",
        "[]",
        "7",
        "null",
        "{}",
        '{"type": 7}',
        '{"type": "commit"}',
        '{"type": "commit", "id": "short", "patch": {}}',
        '{"type": "commit", "id": "%s", "patch": {}}' % ("x" * 65),
        '{"type": "commit", "id": "has space in it ok", "patch": {}}',
        '{"type": "commit", "id": 1234567890123456, "patch": {}}',
        '{"type": "ping", "type": "ping"}',
        '{"type": "ping", "n": 9007199254740992}',
        '{"type": "ping", "n": ' + "[" * 70 + "]" * 70 + "}",
        '{"type": "ping", "n": "\\ud800"}',
        json.dumps({"type": "ping", "note": "x" * 65_536}),
        b"\x00\x01",
        b'{"type": "ping"}',
    ],
    ids=range(19),
)
async def test_a_frame_that_breaks_the_protocol_is_closed_with_4502(tab: Tab, frame: str | bytes) -> None:
    """Not JSON, no message, no usable id, binary, or over 64 KiB."""
    await tab.socket.send(frame)
    await tab.until_closed()
    assert tab.code == 4502


async def test_a_frame_of_exactly_64_kib_is_read(tab: Tab) -> None:
    """65,536 bytes are allowed."""
    frame = json.dumps({"type": "ping", "note": ""})
    await tab.socket.send(frame.replace('""', f'"{"x" * (65_536 - len(frame))}"'))
    await tab.until(lambda tab: tab.types[-1] == "heartbeat")


async def test_a_frame_over_the_library_limit_is_closed_with_1009(tab: Tab) -> None:
    """128 KiB are not collected."""
    with contextlib.suppress(ConnectionClosed):
        await tab.socket.send("x" * 200_000)
    await tab.until_closed()
    assert tab.code == 1009


async def test_a_ping_is_answered_and_unknown_types_are_not(tab: Tab) -> None:
    """A heartbeat with the position; whatever else is ignored."""
    await tab.send({"type": "dance", "id": 7})
    await tab.send({"type": "activity"})
    await tab.send({"type": "ping", "unknown": True})
    await tab.until(lambda tab: len(tab.frames) == 3)
    assert tab.frames[-1] == {"type": "heartbeat", "position": tab.position}


async def test_a_tab_hears_its_end_while_its_commits_are_under_way(
    opened: Opened, tab: Tab, service: httpx.AsyncClient
) -> None:
    """Nothing follows ``ended``, whatever was in flight."""
    for n in range(50):
        await tab.send({"type": "commit", "id": f"in-flight-number-{n:04}", "patch": {"cart": {"n": n}}})
    good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
    await tab.until_closed()
    assert (tab.code, tab.types[-1], tab.types.count("ended")) == (4500, "ended", 1)
