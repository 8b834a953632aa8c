"""``/v1/sessions``: opening, showing, ending and listing, as the HTTP contract says."""

from __future__ import annotations

import re
import time
from datetime import datetime

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Opened, bearer, log_in, open_tab
from tests.support.waiting import eventually

pytestmark = pytest.mark.edge

SID = re.compile(r"[0-9a-f]{16}-[A-Za-z0-9_-]{22}")
POSITION = re.compile(r"[1-9][0-9]*\.[0-9a-f]{8}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


# open


async def test_opening_answers_201_with_everything_a_client_needs(hub_cluster: Cluster, node: Node) -> None:
    """Sid, token, user, position, deadlines, and where the session is."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        answer = await client.post("/v1/sessions", headers=bearer(hub_cluster.provider.token("ada")))
        said = good(answer, 201)
        assert said.keys() == {"sid", "token", "user", "position", "expires_at", "idle_expires_at"}
        assert answer.headers["Location"] == f"/v1/sessions/{said['sid']}"
        assert SID.fullmatch(said["sid"])
        assert re.fullmatch(rf"hub_st_{said['sid']}\.[A-Za-z0-9_-]{{43}}", said["token"])
        assert (said["user"], said["position"].partition(".")[0]) == ("ada", "1")
        assert TIME.fullmatch(said["expires_at"])
        assert datetime.fromisoformat(said["idle_expires_at"]) < datetime.fromisoformat(said["expires_at"])
        shown = good(await client.get(answer.headers["Location"], headers=bearer(said["token"])))
        assert shown["sid"] == said["sid"]


async def test_a_token_of_the_provider_opens_one_session_only(hub_cluster: Cluster, node: Node) -> None:
    """The second use of the same token is refused."""
    token = hub_cluster.provider.token("ada")
    async with httpx.AsyncClient(base_url=node.url, headers=bearer(token)) as client:
        good(await client.post("/v1/sessions"), 201)
        problem(await client.post("/v1/sessions"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "claims",
    [
        {"iat": int(time.time()) - 400},
        {"iat": int(time.time()) + 400},
        {"exp": int(time.time()) - 100},
        {"exp": "tomorrow"},
        {"aud": "somebody-else"},
        {"iss": "http://127.0.0.1:1"},
        {"sub": None},
        {"sub": ["ada"]},
        {"iat": True},
        {"sub": ""},
    ],
)
async def test_a_token_that_is_not_right_opens_nothing(
    hub_cluster: Cluster, node: Node, claims: dict[str, object]
) -> None:
    """Too old, too new, for others, without a subject: 401 each time."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        token = hub_cluster.provider.token(**{"user": "ada", **claims})  # type: ignore[arg-type]
        problem(await client.post("/v1/sessions", headers=bearer(token)), 401, "unauthenticated")


@pytest.mark.parametrize(
    "header", [None, "Basic YTpi", "Bearer", "Bearer a.b.c", "Bearer x", "bearer ünsinn", "Bearer a b"]
)
async def test_no_token_opens_nothing(node: Node, header: str | None) -> None:
    """No credential, another scheme, or no token at all: 401."""
    headers = [] if header is None else [(b"Authorization", header.encode())]
    async with httpx.AsyncClient(base_url=node.url) as client:
        problem(await client.post("/v1/sessions", headers=headers), 401, "unauthenticated")


# show


async def test_a_session_is_shown_without_its_document(
    node: Node, opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """The same facts for its user and for a service; the document is not among them."""
    members = {"sid", "user", "provider", "status", "position", "created_at", "expires_at", "idle_expires_at"}
    for answer in (
        await user.get("/v1/sessions/me"),
        await user.get(f"/v1/sessions/{opened.sid}"),
        await service.get(f"/v1/sessions/{opened.sid}"),
    ):
        said = good(answer)
        assert said.keys() == members | {"connections"}
        assert (said["user"], said["provider"], said["status"], said["connections"]) == ("ada", "main", "live", 0)
        assert POSITION.fullmatch(said["position"])
    async with await open_tab(node, opened.token) as tab:
        await tab.until_live()

        async def is_counted() -> bool:
            return bool(good(await user.get("/v1/sessions/me"))["connections"] == 1)

        await eventually(is_counted)


@pytest.mark.parametrize("sid", ["nonsense", "0" * 16 + "-" + "A" * 22, "%00", "a" * 3000, "..%2f..", "ME", "*"])
async def test_an_unknown_sid_is_404_for_users_and_services(
    user: httpx.AsyncClient, service: httpx.AsyncClient, sid: str
) -> None:
    """Malformed or unknown, on every route of a session."""
    for path in ("", "/document", "/changes?since=1.00000000"):
        for caller in (user, service):
            answer = await caller.get(f"/v1/sessions/{sid}{path}")
            assert answer.status_code == 404, answer.text
            assert answer.json()["code"] in ("session_not_found", "not_found")
    for caller in (user, service):
        assert (await caller.delete(f"/v1/sessions/{sid}")).status_code == 404


async def test_a_user_cannot_tell_whether_another_session_exists(
    hub_cluster: Cluster, node: Node, user: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """Another's session is 404, read or ended, and stays alive."""
    other = await log_in(hub_cluster, node, "grace")
    for path in ("", "/document", f"/changes?since={other.position}", "/events"):
        problem(await user.get(f"/v1/sessions/{other.sid}{path}"), 404, "session_not_found")
    problem(await user.delete(f"/v1/sessions/{other.sid}"), 404, "session_not_found")
    assert good(await service.get(f"/v1/sessions/{other.sid}"))["status"] == "live"


async def test_a_service_has_no_session_of_its_own(service: httpx.AsyncClient) -> None:
    """``me`` means nothing for a service."""
    for answer in (await service.get("/v1/sessions/me"), await service.get("/v1/sessions/me/document")):
        problem(answer, 404, "session_not_found")


# end


async def test_a_user_ends_the_own_session(opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient) -> None:
    """204; then 401 ``session_ended`` for the user, and a tombstone with ``logged_out`` for a service."""
    answer = await user.delete("/v1/sessions/me")
    assert good(answer, 204) is None
    assert answer.headers["X-Hub-Confirmed"] == "all"
    said = problem(await user.get("/v1/sessions/me"), 401, "session_ended")
    assert said["reason"] == "logged_out"
    assert TIME.fullmatch(said["ended_at"])
    shown = good(await service.get(f"/v1/sessions/{opened.sid}"))
    assert (shown["status"], shown["reason"], shown["connections"]) == ("ended", "logged_out", 0)
    assert shown["ended_at"] == said["ended_at"]


async def test_ending_again_is_no_error_and_changes_nothing(opened: Opened, service: httpx.AsyncClient) -> None:
    """204 again; reason and time stay the first ones."""
    path = f"/v1/sessions/{opened.sid}"
    good(await service.request("DELETE", path, json={"detail": "tidying up"}), 204)
    first = good(await service.get(path))
    good(await service.delete(path), 204)
    assert good(await service.get(path)) == first
    assert first["reason"] == "revoked"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b'{"detail": 7}', "application/json", 400, "malformed"),
        (b'["detail"]', "application/json", 400, "malformed"),
        (b"{", "application/json", 400, "malformed"),
        (b'{"detail": "%s"}' % (b"x" * 501), "application/json", 400, "malformed"),
        (b"detail=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b" " * 1_100_000, "application/json", 413, "too_large"),
    ],
)
async def test_an_end_with_a_bad_body_ends_nothing(
    opened: Opened, service: httpx.AsyncClient, body: bytes, content_type: str, status: int, code: str
) -> None:
    """The refusal comes before the act."""
    path = f"/v1/sessions/{opened.sid}"
    answer = await service.request("DELETE", path, content=body, headers={"Content-Type": content_type})
    problem(answer, status, code)
    assert good(await service.get(path))["status"] == "live"


async def test_a_service_without_may_end_ends_nothing(
    opened: Opened, reader: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """403, for one session and for all of a user."""
    problem(await reader.delete(f"/v1/sessions/{opened.sid}"), 403, "forbidden")
    problem(await reader.delete("/v1/users/ada/sessions"), 403, "forbidden")
    assert good(await service.get(f"/v1/sessions/{opened.sid}"))["status"] == "live"


async def test_a_session_that_is_over_is_410_for_services(opened: Opened, service: httpx.AsyncClient) -> None:
    """Reads, changes and commits say ``session_ended`` with reason and time."""
    good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
    path = f"/v1/sessions/{opened.sid}"
    merge = {"Content-Type": "application/merge-patch+json"}
    for answer in (
        await service.get(f"{path}/document"),
        await service.get(f"{path}/changes?since={opened.position}"),
        await service.patch(f"{path}/document", content=b'{"profile": {}}', headers=merge),
        await service.put(f"{path}/document/profile", json={}, headers={"If-Match": f'"{opened.position}"'}),
        await service.delete(f"{path}/document/profile"),
    ):
        said = problem(answer, 410, "session_ended")
        assert said["reason"] == "revoked"
        assert TIME.fullmatch(said["ended_at"])
