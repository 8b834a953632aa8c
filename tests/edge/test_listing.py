"""Lists of sessions, and ending all sessions of a user."""

from __future__ import annotations

import uuid
from urllib.parse import quote

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Opened, as_user, log_in, open_tab

pytestmark = pytest.mark.edge


async def test_a_service_with_may_list_pages_through_all_sessions(
    hub_cluster: Cluster, node: Node, service: httpx.AsyncClient
) -> None:
    """Following ``next`` meets every live session once, and no page is longer than asked."""
    sids = {(await log_in(hub_cluster, node, f"lister{number}")).sid for number in range(7)}
    found: list[str] = []
    query = "?limit=3"
    while query:
        said = good(await service.get(f"/v1/sessions{query}"))
        assert len(said["sessions"]) <= 3
        found += [each["sid"] for each in said["sessions"]]
        query = f"?limit=3&cursor={said['next']}" if "next" in said else ""
    assert sids <= set(found)
    assert len(found) == len(set(found))


async def test_a_list_can_be_narrowed_to_a_user_and_to_an_app(
    hub_cluster: Cluster, node: Node, service: httpx.AsyncClient
) -> None:
    """``user`` by name; ``app`` by who is connected now."""
    name = f"narrow-{uuid.uuid4().hex}"
    one, two = await log_in(hub_cluster, node, name), await log_in(hub_cluster, node, name)
    said = good(await service.get("/v1/sessions", params={"user": name}))
    assert [each["sid"] for each in said["sessions"]] == [one.sid, two.sid]
    async with await open_tab(node, two.token, query="?app=a") as tab:
        await tab.until_live()
        said = good(await service.get("/v1/sessions", params={"user": name, "app": "a"}))
        assert [each["sid"] for each in said["sessions"]] == [two.sid]
        assert good(await service.get("/v1/sessions", params={"user": name, "app": "b"}))["sessions"] == []


async def test_only_operators_and_may_list_see_lists(
    user: httpx.AsyncClient, reader: httpx.AsyncClient, anybody: httpx.AsyncClient
) -> None:
    """403 for everybody else; no credential is 401."""
    for caller in (user, reader):
        problem(await caller.get("/v1/sessions"), 403, "forbidden")
        problem(await caller.get("/v1/users/grace/sessions"), 403, "forbidden")
    problem(await anybody.get("/v1/sessions"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=ten",
        "limit=1e3",
        "limit=",
        "limit=٣",
        "cursor=nonsense",
        "cursor=-1-5",
        "cursor=1",
        "cursor=0-99999999999",
        "user=ada&provider=unknown",
    ],
)
async def test_bad_parameters_of_a_list_are_400(service: httpx.AsyncClient, query: str) -> None:
    """Never a guess, never a 500."""
    problem(await service.get(f"/v1/sessions?{query}"), 400, "malformed")


async def test_a_user_lists_the_own_sessions(hub_cluster: Cluster, node: Node) -> None:
    """By ``me`` and by name: the same."""
    name = f"own-{uuid.uuid4().hex}"
    one, two = await log_in(hub_cluster, node, name), await log_in(hub_cluster, node, name)
    async with as_user(node, one) as client:
        for path in ("me", name):
            said = good(await client.get(f"/v1/users/{path}/sessions"))
            assert [each["sid"] for each in said["sessions"]] == [one.sid, two.sid]


async def test_a_universal_log_out_can_spare_one(hub_cluster: Cluster, node: Node) -> None:
    """All but this one: the others are over, this one lives."""
    name = f"spare-{uuid.uuid4().hex}"
    one, two = await log_in(hub_cluster, node, name), await log_in(hub_cluster, node, name)
    async with as_user(node, one) as client, as_user(node, two) as other:
        said = good(await client.delete(f"/v1/users/me/sessions?except={one.sid}"))
        assert said == {"ended": 1}
        good(await client.get("/v1/sessions/me"))
        problem(await other.get("/v1/sessions/me"), 401, "session_ended")


@pytest.mark.parametrize("spared", ["nonsense", "me", "0" * 16 + "-" + "A" * 22])
async def test_sparing_what_is_not_of_the_user_ends_nothing(user: httpx.AsyncClient, spared: str) -> None:
    """404, and the caller is still there."""
    answer = await user.delete(f"/v1/users/me/sessions?except={spared}")
    problem(answer, 404, "session_not_found")
    good(await user.get("/v1/sessions/me"))


async def test_a_user_cannot_end_the_sessions_of_another(
    hub_cluster: Cluster, node: Node, user: httpx.AsyncClient
) -> None:
    """403, and the other stays."""
    other = await log_in(hub_cluster, node, "grace")
    problem(await user.delete("/v1/users/grace/sessions"), 403, "forbidden")
    async with as_user(node, other) as client:
        good(await client.get("/v1/sessions/me"))


@pytest.mark.parametrize(
    "name", ["auth0|ab/cd", "ümläut ✓", "a?b#c&d=e", "sessions", "a/sessions", ".", "%2F", "me too"]
)
async def test_any_subject_works_as_a_user(
    hub_cluster: Cluster, node: Node, service: httpx.AsyncClient, name: str
) -> None:
    """A ``sub`` may hold slashes, spaces and signs: percent-encoded it is listed and ended."""
    unique = f"{name}{uuid.uuid4().hex[:8]}"
    opened: Opened = await log_in(hub_cluster, node, unique)
    path = f"/v1/users/{quote(unique, safe='')}/sessions"
    said = good(await service.get(path))
    assert [(each["sid"], each["user"]) for each in said["sessions"]] == [(opened.sid, unique)]
    async with as_user(node, opened) as client:
        assert good(await client.get(path)) == said
    assert good(await service.request("DELETE", path, json={"detail": "left the company"})) == {"ended": 1}
    assert good(await service.get(path)) == {"sessions": []}


async def test_an_unknown_user_has_no_sessions(service: httpx.AsyncClient) -> None:
    """An empty list, and nothing to end."""
    assert good(await service.get("/v1/users/nobody-of-this-name/sessions")) == {"sessions": []}
    assert good(await service.delete("/v1/users/nobody-of-this-name/sessions")) == {"ended": 0}
    problem(await service.get("/v1/users/me/sessions"), 404, "not_found")
