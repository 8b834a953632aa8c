"""Reveals over HTTP: an operator sees real values, and everybody who may read the history sees that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from hub.store.audit.reading import Reader
from hub.store.keyring import KeyRing
from tests.security.roads import in_browser
from tests.support.answers import good, problem
from tests.support.audits import judged
from tests.support.nodes import READER_KEY, Cluster, Node
from tests.support.security_log import SecurityLog
from tests.support.tabs import Opened, as_service, as_user, log_in, merge, open_tab

pytestmark = pytest.mark.edge

WHY = "ticket 4711: the cart is wrong"


@pytest.fixture
async def operator(hub_cluster: Cluster, node: Node) -> AsyncIterator[httpx.AsyncClient]:
    """Olga at the console."""
    async with in_browser(node, await log_in(hub_cluster, node, "olga", groups=["operators"])) as client:
        yield client


async def reveal(client: httpx.AsyncClient, sid: str, **body: Any) -> httpx.Response:
    return await client.post(f"/v1/sessions/{sid}/reveal", json={"reason": WHY} | body)


async def test_a_reveal_shows_real_values_and_history_says_so(
    hub_cluster: Cluster, node: Node, operator: httpx.AsyncClient, opened: Opened, service: httpx.AsyncClient
) -> None:
    """The document at the position it made; tabs hear an empty change; only operators read who and why."""
    good(await merge(service, opened.sid, {"secret": {"iban": "DE89370400440532013000"}}))
    log = SecurityLog(hub_cluster, node)
    async with as_user(node, opened) as user, await open_tab(node, opened.token) as tab:
        await tab.until_live()
        idle = good(await user.get("/v1/sessions/me"))["idle_expires_at"]
        answer = await reveal(operator, opened.sid)
        shown = good(answer)
        assert shown["secret"] == {"iban": "DE89370400440532013000"}
        assert shown["identity"]["name"] == "Ada"
        await tab.until(lambda tab: "change" in tab.types)
        change = tab.frames[-1]
        assert (change["ops"], f'"{change["position"]}"') == ([], answer.headers["ETag"])
        assert change.keys() == {"type", "base", "position", "ops", "at"}
        now = good(await user.get("/v1/sessions/me"))
        assert (now["position"], now["idle_expires_at"]) == (change["position"], idle)
        since = {"since": change["base"]}
        for client in (user, service):
            (told,) = good(await client.get(f"/v1/sessions/{opened.sid}/changes", params=since))["changes"]
            assert told.keys() == {"base", "position", "ops", "at"}
    (told,) = good(await operator.get(f"/v1/sessions/{opened.sid}/changes", params=since))["changes"]
    assert told["request_id"] == answer.headers["X-Request-Id"]
    assert (told["actor"], told["reason"], told["ops"]) == ("operator:olga", WHY, [])
    assert told["revealed"] == {"position": change["base"]}
    event = await log.until("authz_admin")
    assert (event["sid"], event["actor"]) == (opened.sid, "operator:olga")
    assert "4711" not in str(event), "the reason is in the history"


async def test_sections_and_the_past_are_revealed_and_the_reveal_is_no_gap(
    operator: httpx.AsyncClient, opened: Opened, service: httpx.AsyncClient
) -> None:
    """As they were; time travel, masked, goes over it as over any other change."""
    first = good(await merge(service, opened.sid, {"secret": {"n": 1}}))["position"]
    second = good(await merge(service, opened.sid, {"secret": {"n": 2}}))["position"]
    answer = await reveal(operator, opened.sid, position=first, sections=["secret", "cart"])
    assert (good(answer), answer.headers["ETag"]) == ({"secret": {"n": 1}}, f'"{first}"')
    changes = good(await operator.get(f"/v1/sessions/{opened.sid}/changes", params={"since": second}))["changes"]
    assert changes[-1]["revealed"] == {"position": first, "sections": ["cart", "secret"]}
    after = changes[-1]["position"]
    last = good(await merge(service, opened.sid, {"cart": {"a": 1}}))["position"]
    path = f"/v1/sessions/{opened.sid}/document"
    for position, cart in ((after, None), (last, {"a": "•••"})):
        then = good(await operator.get(path, params={"position": position}))
        assert (then["secret"], then.get("cart")) == ({"n": "•••"}, cart)
    stale = await merge(service, opened.sid, {"cart": {"a": 2}}, **{"If-Match": f'"{second}"'})
    assert problem(stale, 412, "position_mismatch")["changed_sections"] == ["cart"]


async def test_history_is_rebuilt_and_believed_from_a_reveal_on(
    hub_cluster: Cluster, operator: httpx.AsyncClient, opened: Opened, service: httpx.AsyncClient
) -> None:
    """One that falls on a checkpoint is a checkpoint: time travel begins there, and the chain holds."""
    lines = (json.dumps({"sid": opened.sid, "patch": {"cart": {"n": number}}}) for number in range(2, 256))
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await service.post("/v1/commits", content="\n".join(lines), headers=headers)
    assert answer.status_code == 200
    at = (await reveal(operator, opened.sid, sections=["cart"])).headers["ETag"].strip('"')
    after = good(await merge(service, opened.sid, {"cart": {"n": 256}}))["position"]
    assert (at.partition(".")[0], after.partition(".")[0]) == ("256", "257")
    for position, number in ((at, 255), (after, 256)):
        shown = good(await reveal(operator, opened.sid, position=position, sections=["cart"]))
        assert shown == {"cart": {"n": number}}
    async with Reader(hub_cluster.url_for_hubs, KeyRing.load(hub_cluster.ring)) as reader:
        verdict = await judged(reader, opened.sid)
    assert (verdict.finding, verdict.entries) == (None, 259)


BAD: dict[str, Any] = {
    "no reason": {"reason": None},
    "an empty one": {"reason": "   \n "},
    "too short when trimmed": {"reason": "  ab  "},
    "too long": {"reason": "x" * 501},
    "no text": {"reason": ["because"]},
    "a misspelt member": {"section": ["cart"]},
    "no section": {"sections": []},
    "sections that are no list": {"sections": "cart"},
    "sections that are no names": {"sections": [1]},
    "too many": {"sections": ["cart"] * 65},
    "no position": {"position": "newest"},
    "a number": {"position": 41},
}


@pytest.mark.parametrize("case", BAD)
async def test_what_is_not_asked_properly_shows_nothing(
    operator: httpx.AsyncClient, opened: Opened, service: httpx.AsyncClient, case: str
) -> None:
    """400, and no revision."""
    problem(await reveal(operator, opened.sid, **BAD[case]), 400, "malformed")
    assert good(await service.get(f"/v1/sessions/{opened.sid}"))["position"] == opened.position


async def test_every_other_refusal_shows_nothing(
    operator: httpx.AsyncClient, opened: Opened, service: httpx.AsyncClient, node: Node
) -> None:
    """CSRF, media types, unknown sections, positions and sessions, and sessions that are over."""
    path = f"/v1/sessions/{opened.sid}/reveal"
    body = {"reason": WHY}
    problem(await operator.post(path, json=body, headers={"X-Hub-CSRF": ""}), 403, "csrf")
    problem(await operator.post(path, json=body, headers={"Origin": "http://evil.test"}), 403, "csrf")
    problem(await operator.post(path, content=b"reason=x", headers={"Content-Type": "text/plain"}), 403, "csrf")
    form = {"Content-Type": "application/merge-patch+json"}
    problem(await operator.post(path, content=b"{}", headers=form), 415, "unsupported_media_type")
    problem(await operator.post(path, content=b"[1]", headers={"Content-Type": "application/json"}), 400, "malformed")
    problem(await operator.get(path), 405, "method_not_allowed")
    problem(await reveal(operator, opened.sid, sections=["carts"]), 422, "unknown_section")
    problem(await reveal(operator, opened.sid, position="1.00000000"), 410, "compacted")
    problem(await reveal(operator, opened.sid, position="9.00000000"), 410, "compacted")
    for sid in ("me", "nonsense", opened.sid[:-1] + "~", opened.sid[:17] + "A" * 22):
        problem(await reveal(operator, sid), 404, "session_not_found")
    assert good(await service.get(f"/v1/sessions/{opened.sid}"))["position"] == opened.position
    good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
    problem(await reveal(operator, opened.sid), 410, "session_ended")


async def test_nobody_else_reveals_not_even_their_own(node: Node, opened: Opened, hub_cluster: Cluster) -> None:
    """Users, services and operators without a browser: 403 for any session, whether there is one or not."""
    other = await log_in(hub_cluster, node, "nosy")
    by_token = await log_in(hub_cluster, node, "otto", groups=["operators"])
    callers = [in_browser(node, other), as_user(node, by_token), as_service(node), as_service(node, READER_KEY)]
    for client in callers:
        async with client:
            for sid in ("me", opened.sid, other.sid, "nonsense"):
                problem(await reveal(client, sid), 403, "forbidden")


async def test_reveals_and_commits_at_once_make_one_history(
    operator: httpx.AsyncClient, opened: Opened, service: httpx.AsyncClient, node: Node
) -> None:
    """Each a revision of its own; every copy follows."""
    async with await open_tab(node, opened.token) as tab:
        await tab.until_live()
        commits = [merge(service, opened.sid, {"cart": {f"n{number}": number}}) for number in range(20)]
        answers = await asyncio.gather(*commits, *(reveal(operator, opened.sid) for _ in range(20)))
        for answer in answers:
            good(answer)
        last = good(await service.get(f"/v1/sessions/{opened.sid}"))["position"]
        assert last.startswith("41.")
        await tab.until(lambda tab: tab.position == last)
        assert tab.document["cart"] == {f"n{number}": number for number in range(20)}
