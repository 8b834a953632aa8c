"""``POST /v1/commits``: results in order, each line on its own, one session's lines one after the other."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.support.answers import problem
from tests.support.nodes import READER_KEY, Cluster, Node
from tests.support.tabs import as_service, as_user, log_in, open_tab

pytestmark = pytest.mark.edge

NDJSON = {"Content-Type": "application/x-ndjson"}


async def send(client: httpx.AsyncClient, *lines: Any) -> list[dict[str, Any]]:
    """The results of a batch; a line that is bytes goes as it is."""
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    answer = await client.post("/v1/commits", content=b"\n".join(raw), headers=NDJSON)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_lines_of_one_session_are_commits_in_order(hub_cluster: Cluster, node: Node) -> None:
    """Consecutive positions; a tab hears each; the last one holds."""
    opened = await log_in(hub_cluster, node, "batch-a")
    async with as_service(node) as service, await open_tab(node, opened.token) as tab:
        await tab.until_live()
        results = await send(service, *({"sid": opened.sid, "patch": {"cart": {"n": n}}} for n in range(20)))
        revisions = [int(result["position"].partition(".")[0]) for result in results]
        assert revisions == list(range(2, 22))
        assert all(result["changed"] and result["status"] == 200 for result in results)
        await tab.until(lambda tab: tab.position == results[-1]["position"])
        assert tab.document["cart"] == {"n": 19}
        assert tab.types.count("change") == 20


async def test_a_bad_line_harms_no_other(hub_cluster: Cluster, node: Node) -> None:
    """Every line has its own status and problem, in its own place."""
    one, two = [await log_in(hub_cluster, node, name) for name in ("batch-b", "batch-c")]
    async with as_service(node) as service:
        results = await send(
            service,
            {"sid": one.sid, "patch": {"cart": {"n": 1}}},
            b"{nonsense",
            b"[]",
            {"patch": {}},
            {"sid": "nonsense", "patch": {}},
            {"sid": one.sid},
            {"sid": one.sid, "patch": {"cart": 1}, "ops": []},
            {"sid": one.sid, "patch": {"nowhere": 1}},
            {"sid": one.sid, "ops": [{"op": "remove", "path": "/cart/nothing"}]},
            {"sid": one.sid, "patch": {"cart": {"n": 2}}, "if_position": one.position},
            {"sid": one.sid, "patch": {"cart": {"n": 1}}, "if_position": 5},
            {"sid": one.sid, "patch": {"preferences": {"theme": "purple"}}},
            {"sid": "0" * 16 + "-" + "a" * 22, "patch": {"cart": {}}},
            {"sid": two.sid, "patch": {"cart": {"n": 9}}, "key": "a key"},
            {"sid": two.sid, "patch": {"cart": {"n": 3}}, "key": "k-1"},
        )
    codes = [result.get("problem", {}).get("code", result["status"]) for result in results]
    assert codes == [
        200,
        *["malformed"] * 6,
        "unknown_section",
        "patch_conflict",
        "position_mismatch",
        "malformed",
        "schema_violation",
        "session_not_found",
        "malformed",
        200,
    ]
    assert [result.get("sid") for result in results][:6] == [one.sid, None, None, None, None, one.sid]
    async with as_user(node, two) as user:
        assert (await user.get("/v1/sessions/me/document")).json()["cart"] == {"n": 3}


async def test_a_key_counts_once_over_requests_and_lines(hub_cluster: Cluster, node: Node) -> None:
    """The same key again gives the first answer."""
    opened = await log_in(hub_cluster, node, "batch-d")
    line = {"sid": opened.sid, "ops": [{"op": "add", "path": "/cart", "value": {"n": [1]}}], "key": "once-1"}
    async with as_service(node) as service:
        first, again = await send(service, line, line)
        (later,) = await send(service, line)
        (other,) = await send(service, {**line, "ops": []})
    assert first == again == later
    assert other["problem"]["code"] == "idempotency_mismatch"


async def test_grants_hold_for_every_line(hub_cluster: Cluster, node: Node) -> None:
    """A service that may only read commits nothing."""
    opened = await log_in(hub_cluster, node, "batch-e")
    async with as_service(node, READER_KEY) as reader:
        (refused,) = await send(reader, {"sid": opened.sid, "patch": {"profile": {"x": 1}}})
    assert (refused["status"], refused["problem"]["sections"]) == (403, ["profile"])


async def test_the_whole_is_refused_where_it_is_no_batch(hub_cluster: Cluster, node: Node) -> None:
    """Too many lines, another media type, a caller that is no service."""
    opened = await log_in(hub_cluster, node, "batch-f")
    async with as_service(node) as service, as_user(node, opened) as user:
        many = b"\n".join([b"{}"] * 1001)
        said = problem(await service.post("/v1/commits", content=many, headers=NDJSON), 413, "too_large")
        assert "limit_bytes" in said
        problem(await service.post("/v1/commits", json={}), 415, "unsupported_media_type")
        problem(await user.post("/v1/commits", content=b"{}", headers=NDJSON), 403, "forbidden")
        assert await send(service) == []
