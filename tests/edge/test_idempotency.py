"""``Idempotency-Key``: a retry after a lost answer gets that answer, and does nothing twice."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.nodes import Node
from tests.support.tabs import MERGE, Opened, as_service, as_user, merge

pytestmark = pytest.mark.edge

DOCUMENT = "/v1/sessions/me/document"


def new_key() -> str:
    """A key nobody used."""
    return uuid.uuid4().hex


async def test_the_same_request_again_gets_the_first_answer(opened: Opened, user: httpx.AsyncClient) -> None:
    """Also after others committed, and although ``If-Match`` would fail now."""
    headers = {"Idempotency-Key": new_key(), "If-Match": f'"{opened.position}"'}
    answer = await merge(user, "me", {"cart": {"n": 1}}, **headers)
    first = good(answer)
    assert "Idempotency-Replayed" not in answer.headers
    good(await merge(user, "me", {"cart": {"n": 2}}))
    again = await merge(user, "me", {"cart": {"n": 1}}, **headers)
    assert good(again) == first
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["ETag"] == f'"{first["position"]}"'
    assert good(await user.get(DOCUMENT))["cart"] == {"n": 2}


async def test_a_commit_that_changed_nothing_is_remembered(user: httpx.AsyncClient) -> None:
    """``changed: false`` again, although it would change something now."""
    key = {"Idempotency-Key": new_key()}
    first = good(await merge(user, "me", {"cart": None}, **key))
    assert first["changed"] is False
    good(await merge(user, "me", {"cart": {"n": 1}}))
    again = await merge(user, "me", {"cart": None}, **key)
    assert good(again) == first
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_another_body_under_the_key_is_422(user: httpx.AsyncClient) -> None:
    """Another patch, another media type, another method: all are other requests."""
    key = {"Idempotency-Key": new_key()}
    good(await merge(user, "me", {"cart": {"n": 1}}, **key))
    problem(await merge(user, "me", {"cart": {"n": 2}}, **key), 422, "idempotency_mismatch")
    problem(await user.delete(f"{DOCUMENT}/cart", headers=key), 422, "idempotency_mismatch")
    body = {"n": 1}
    problem(
        await user.put(f"{DOCUMENT}/cart", json=body, headers={**key, "If-Match": "*"}), 422, "idempotency_mismatch"
    )


async def test_errors_are_not_remembered(opened: Opened, user: httpx.AsyncClient) -> None:
    """What was refused may be tried again under the same key."""
    key = {"Idempotency-Key": new_key()}
    problem(
        await merge(user, "me", {"cart": {"n": 1}}, **key, **{"If-Match": '"7.00000000"'}), 412, "position_mismatch"
    )
    assert good(await merge(user, "me", {"cart": {"n": 1}}, **key))["changed"] is True


async def test_a_key_belongs_to_session_and_actor(
    opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """The same key by two actors: two commits; neither is shown the other's."""
    key = {"Idempotency-Key": new_key()}
    good(await merge(service, opened.sid, {"secret": {"pin": 1234}}, **key))
    answer = await merge(user, "me", {"cart": {"n": 1}}, **key)
    assert good(answer)["ops"] == [{"op": "add", "path": "/cart", "value": {"n": 1}}]
    assert "Idempotency-Replayed" not in answer.headers


async def test_many_at_once_are_one_commit(opened: Opened, node: Node) -> None:
    """Twenty copies of one request in flight: one revision, twenty equal answers."""
    key, patch = {"Idempotency-Key": new_key()}, {"profile": {"n": 1}}
    async with as_service(node) as client:
        answers = await asyncio.gather(*(merge(client, opened.sid, patch, **key) for _ in range(20)))
    said = [good(answer) for answer in answers]
    assert all(each == said[0] for each in said)
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    async with as_user(node, opened) as user:
        assert good(await user.get("/v1/sessions/me"))["position"] == said[0]["position"]


@pytest.mark.parametrize("key", ["", "x" * 65, "a b", "ümlaut", "a.b", "a/b", "a,b"])
async def test_a_malformed_key_is_400(user: httpx.AsyncClient, key: str) -> None:
    """1 to 64 of ``[A-Za-z0-9_-]``."""
    headers = {"Idempotency-Key": key.encode(), "Content-Type": MERGE.encode()}
    answer = await user.patch(DOCUMENT, content=b'{"cart": {}}', headers=headers)  # type: ignore[arg-type]
    problem(answer, 400, "malformed")
