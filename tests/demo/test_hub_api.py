"""Calls to the hub name its public host, carry an idempotency key, and turn refusals into facts."""

import json

import httpx
import pytest
from shared.hub_api import HubApi, HubRefused
from shared.hub_app import HubApp

from tests.demo.fake_hub import context_token
from tests.demo.test_context import reader


def api(*answers: httpx.Response | Exception) -> tuple[HubApi, list[httpx.Request]]:
    """An API client that gets these answers, one after the other, and the requests it made."""
    seen: list[httpx.Request] = []
    waiting = list(answers)

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        given = waiting.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    client = HubApi(
        hub_url="http://127.0.0.1:1", public_url="https://hub.example.com", transport=httpx.MockTransport(answer)
    )
    return client, seen


def committed(position: str) -> httpx.Response:
    return httpx.Response(200, json={"base": "1.00000000", "position": position, "changed": True, "ops": []})


async def test_a_commit_is_a_merge_patch_on_a_position() -> None:
    client, seen = api(committed("2.0000000a"))
    position = await client.commit("key", {"cart": {"items": []}}, sid="s/1", if_position="1.00000000")
    (request,) = seen
    assert position == "2.0000000a"
    assert (request.method, request.url.raw_path) == ("PATCH", b"/v1/sessions/s%2F1/document")
    assert request.headers["host"] == "hub.example.com"
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert request.headers["if-match"] == '"1.00000000"'
    assert request.headers["authorization"] == "Bearer key"
    assert json.loads(request.content) == {"cart": {"items": []}}


async def test_a_lost_answer_is_asked_for_again_under_the_same_key() -> None:
    """A repeated commit counts once, because it is recognised."""
    client, seen = api(httpx.ReadError("gone"), committed("2.0000000a"))
    assert await client.commit("key", {"cart": {}}) == "2.0000000a"
    assert seen[0].headers["idempotency-key"] == seen[1].headers["idempotency-key"]
    assert len(seen[0].headers["idempotency-key"]) >= 16


async def test_two_commits_have_two_keys() -> None:
    client, seen = api(committed("2.0000000a"), committed("3.0000000b"))
    await client.commit("key", {"cart": {}})
    await client.commit("key", {"cart": {}})
    assert seen[0].headers["idempotency-key"] != seen[1].headers["idempotency-key"]


async def test_a_hub_out_of_reach_is_a_503() -> None:
    client, _ = api(httpx.ConnectError("no"), httpx.ConnectError("no"))
    with pytest.raises(HubRefused) as caught:
        await client.document("key")
    assert (caught.value.status, caught.value.code) == (503, "unreachable")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(403, json={"code": "forbidden", "detail": "no"}), "forbidden"),
        (httpx.Response(502, text="<html>"), "refused"),
        (httpx.Response(500, json=["odd"]), "refused"),
        (httpx.Response(302, headers={"Location": "/"}), "refused"),
    ],
)
async def test_a_refusal_keeps_its_status_and_code(answer: httpx.Response, code: str) -> None:
    client, _ = api(answer)
    with pytest.raises(HubRefused) as caught:
        await client.document("key")
    assert (caught.value.status, caught.value.code) == (answer.status_code, code)


async def test_a_decision_is_made_again_when_the_session_moved_on() -> None:
    """Read, decide, commit on what was read; a 412 means somebody was faster, so decide again."""

    def snapshot(count: int, position: str) -> httpx.Response:
        return httpx.Response(200, json={"cart": {"n": count}}, headers={"ETag": f'W/"{position}"'})

    late = httpx.Response(412, json={"code": "position_mismatch"})
    client, seen = api(snapshot(1, "1.0000000a"), late, snapshot(2, "2.0000000b"), committed("3.0000000c"))
    hub = HubApp(name="a", prefix="/apps/a", api=client, context=reader())
    caller = await reader().read(context_token("http://localhost:8000", "a"))
    position = await hub.commit_on_newest(caller, lambda newest: {"cart": {"n": newest.document["cart"]["n"] * 10}})
    assert position == "3.0000000c"
    assert json.loads(seen[3].content) == {"cart": {"n": 20}}
    assert [request.headers.get("if-match") for request in seen] == [None, '"1.0000000a"', None, '"2.0000000b"']
