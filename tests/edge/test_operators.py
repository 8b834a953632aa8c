"""Operators look at other people's sessions and end them; they read no values and edit nothing."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Opened, as_service, as_user, log_in, merge, open_tab

pytestmark = pytest.mark.edge


def with_cookie(node: Node, opened: Opened) -> httpx.AsyncClient:
    """A browser of the console's own origin (on loopback, the hub's)."""
    headers = {"Sec-Fetch-Site": "same-origin", "X-Hub-CSRF": "1"}
    return httpx.AsyncClient(base_url=node.url, headers=headers, cookies={"hub": opened.token})


@pytest.fixture
async def operator(hub_cluster: Cluster, node: Node) -> Any:
    """Somebody whose provider says so, freshly logged in."""
    async with with_cookie(node, await log_in(hub_cluster, node, "olga", groups=["operators"])) as client:
        yield client


async def test_an_operator_sees_a_session_and_the_shape_of_its_document(
    hub_cluster: Cluster, node: Node, operator: httpx.AsyncClient
) -> None:
    """Structure and kinds, no values; the session shown is the one asked for."""
    opened = await log_in(hub_cluster, node, "watched")
    async with as_user(node, opened) as user:
        good(await merge(user, "me", {"profile": {"name": "Canary", "age": 36, "ok": True, "no": [None, "Canary"]}}))
    shown = good(await operator.get(f"/v1/sessions/{opened.sid}"))
    assert (shown["sid"], shown["user"]) == (opened.sid, "watched")
    answer = await operator.get(f"/v1/sessions/{opened.sid}/document")
    assert good(answer)["profile"] == {"name": "•••", "age": "•••", "ok": True, "no": [None, "•••"]}
    assert "Canary" not in answer.text
    listed = good(await operator.get("/v1/sessions", params={"user": "watched"}))
    assert [each["sid"] for each in listed["sessions"]] == [opened.sid]


async def test_an_operator_goes_back_in_time(hub_cluster: Cluster, node: Node, operator: httpx.AsyncClient) -> None:
    """Any position of the history, over checkpoints; others are 410."""
    opened = await log_in(hub_cluster, node, "past")
    positions = [opened.position]
    async with as_service(node) as service:
        for number in range(300):
            said = good(await merge(service, opened.sid, {"cart": {f"n{number % 7}": number}}))
            positions.append(said["position"])
    path = f"/v1/sessions/{opened.sid}/document"
    for number in (0, 1, 6, 254, 255, 256, 300):
        at = positions[number]
        then = good(await operator.get(path, params={"position": at}))
        assert set(then.get("cart", {})) == {f"n{each}" for each in range(min(number, 7))}
    revision = positions[9].partition(".")[0]
    problem(await operator.get(path, params={"position": f"{revision}.00000000"}), 410, "compacted")
    problem(await operator.get(path, params={"position": "9999.00000000"}), 410, "compacted")
    problem(await operator.get(path, params={"position": "x"}), 400, "malformed")


async def test_an_operator_reads_who_changed_what(
    hub_cluster: Cluster, node: Node, operator: httpx.AsyncClient
) -> None:
    """Actor, time, request id and paths, values masked; after the end as well."""
    opened = await log_in(hub_cluster, node, "changed")
    async with as_service(node) as service:
        good(await merge(service, opened.sid, {"secret": {"iban": "Canary"}}))
        good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
        path = f"/v1/sessions/{opened.sid}/changes"
        problem(await service.get(path, params={"since": opened.position}), 410, "session_ended")
    answer = await operator.get(path, params={"since": opened.position})
    change, end = good(answer)["changes"]
    assert change["ops"] == [{"op": "add", "path": "/secret", "value": {"iban": "•••"}}]
    assert (change["actor"], end["actor"]) == ("service:billing", "service:billing")
    assert "Canary" not in answer.text


async def test_an_operator_ends_a_session_with_a_reason_and_edits_none(
    hub_cluster: Cluster, node: Node, operator: httpx.AsyncClient
) -> None:
    """``revoked``, with the words that were given; a commit is refused."""
    opened = await log_in(hub_cluster, node, "ended-by-olga")
    path = f"/v1/sessions/{opened.sid}"
    async with await open_tab(node, opened.token) as tab:
        await tab.until_live()
        refused = await merge(operator, opened.sid, {"profile": {"x": 1}})
        assert refused.status_code in (403, 404)
        headers = {"Content-Type": "application/json", "Origin": node.url}
        body = json.dumps({"detail": "lost laptop"})
        good(await operator.request("DELETE", path, content=body, headers=headers), 204)
        await tab.until_closed(1.0)
        assert (tab.frames[-1]["reason"], tab.frames[-1]["detail"]) == ("revoked", "lost laptop")


async def test_nobody_else_is_an_operator(hub_cluster: Cluster, node: Node) -> None:
    """Neither an ordinary user, nor an operator's token outside a browser, nor one whose log-in is old."""
    watched = await log_in(hub_cluster, node, "private")
    ordinary = await log_in(hub_cluster, node, "nosy", groups=["staff"])
    by_token = await log_in(hub_cluster, node, "otto", groups=["operators"])
    long_ago = await log_in(hub_cluster, node, "oda", groups=["operators"], auth_time=1_700_000_000)
    for client in (with_cookie(node, ordinary), as_user(node, by_token), with_cookie(node, long_ago)):
        async with client:
            problem(await client.get("/v1/sessions"), 403, "forbidden")
            for path in ("", "/document", "/changes?since=1.00000000"):
                problem(await client.get(f"/v1/sessions/{watched.sid}{path}"), 404, "session_not_found")
            position = {"position": "1.00000000"}
            problem(await client.get("/v1/sessions/me/document", params=position), 403, "forbidden")
