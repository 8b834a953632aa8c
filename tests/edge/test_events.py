"""Server-sent events: the same messages, for where WebSockets do not pass."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.support import raw
from tests.support.answers import good, problem
from tests.support.nodes import Node
from tests.support.tabs import Opened, merge
from tests.support.waiting import eventually

pytestmark = pytest.mark.edge

EVENTS = "/v1/sessions/me/events"
SECONDS = 5.0


class Stream:
    """The events of one answer, as an ``EventSource`` would read them."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer, self._lines = answer, answer.aiter_lines()

    async def next(self) -> tuple[str, str | None, dict[str, Any]]:
        """Type, id (if any) and data of the next event."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(SECONDS):
            while line := await anext(self._lines):
                name, _, value = line.partition(": ")
                fields[name] = value
        said = json.loads(fields["data"])
        assert said["type"] == fields["event"]
        return fields["event"], fields.get("id"), said

    async def rest(self) -> list[str]:
        """What comes until the end."""
        async with asyncio.timeout(SECONDS):
            return [line async for line in self._lines]


@asynccontextmanager
async def events(client: httpx.AsyncClient, path: str = EVENTS, **headers: str) -> AsyncIterator[Stream]:
    """An open stream."""
    async with client.stream("GET", path, headers=headers, timeout=SECONDS) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Hub-Response"] == "1"
        yield Stream(answer)


async def test_a_stream_starts_with_the_snapshot_and_follows(
    opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """``event`` is the type, ``id`` the position and view, ``data`` the message."""
    async with events(user) as stream:
        kind, event_id, said = await stream.next()
        assert (kind, said["reason"], said["position"]) == ("snapshot", "new", opened.position)
        assert event_id == f"{opened.position}/{said['view']}"
        kind, event_id, said = await stream.next()
        assert (kind, event_id) == ("live", f"{opened.position}/{said['view']}")
        done = good(await merge(service, opened.sid, {"profile": {"name": "Ada\nevent: ended"}}))
        kind, event_id, said = await stream.next()
        assert (kind, said["position"], said["ops"]) == ("change", done["position"], done["ops"])
        assert event_id is not None
        assert event_id.startswith(done["position"])


async def test_last_event_id_resumes(opened: Opened, user: httpx.AsyncClient) -> None:
    """Only what was missed; another view or history gets a snapshot."""
    async with events(user) as stream:
        _, event_id, _ = await stream.next()
    assert event_id is not None
    done = good(await merge(user, "me", {"cart": {"n": 1}}))
    async with events(user, **{"Last-Event-ID": event_id}) as stream:
        kind, _, said = await stream.next()
        assert (kind, said["base"], said["position"]) == ("change", opened.position, done["position"])
        assert (await stream.next())[0] == "live"
    view = event_id.partition("/")[2]
    for other, reason in (
        ("1.00000000/" + view, "fork"),
        (f"{opened.position}/00000000", "view"),
        (opened.position, "new"),
    ):
        async with events(user, **{"Last-Event-ID": other}) as stream:
            kind, _, said = await stream.next()
            assert (kind, said["reason"]) == ("snapshot", reason)


async def test_a_stream_of_an_app_is_narrowed(
    opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """As on a WebSocket."""
    async with events(user, f"{EVENTS}?app=b") as stream:
        assert (await stream.next())[2]["document"] == {}
        assert (await stream.next())[0] == "live"
        good(await merge(service, opened.sid, {"profile": {"name": "Ada"}}))
        assert (await stream.next())[2].keys() == {"type", "base", "position", "ops", "at"}


async def test_an_end_ends_the_stream_and_stops_the_client(
    opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """``ended``, end of the answer; coming back is 204 without a body."""
    async with events(user) as stream:
        await stream.next()
        await stream.next()
        good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
        kind, _, said = await stream.next()
        assert (kind, said["reason"]) == ("ended", "revoked")
        assert not [line for line in await stream.rest() if line]
    assert good(await user.get(EVENTS), 204) is None
    problem(await service.get(f"/v1/sessions/{opened.sid}/events"), 410, "session_ended")


async def test_refusals_are_problems(
    node: Node, opened: Opened, user: httpx.AsyncClient, anybody: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """Before the stream begins: 400, 401, 403 and 404."""
    problem(await anybody.get(EVENTS), 401, "unauthenticated")
    problem(await service.get(EVENTS), 404, "session_not_found")
    problem(await user.get(f"{EVENTS}?app=nonsense"), 403, "forbidden")
    for query in ("position=nonsense&view=1", "app=a&app=b"):
        problem(await user.get(f"{EVENTS}?{query}"), 400, "malformed")
    for value in ("nonsense/1", "1/2/3", "0.00000000/00000000"):
        problem(await user.get(EVENTS, headers={"Last-Event-ID": value}), 400, "malformed")
    cookie = {"Cookie": f"hub={opened.token}"}
    for origin in ("http://evil.test", "null"):
        problem(await anybody.get(EVENTS, headers={**cookie, "Origin": origin}), 403, "csrf")
    problem(await anybody.get(EVENTS, headers=cookie), 403, "csrf")
    problem(await anybody.get(EVENTS, headers={**cookie, "Sec-Fetch-Site": "cross-site"}), 403, "csrf")
    async with events(anybody, **cookie, **{"Sec-Fetch-Site": "same-origin"}) as stream:
        assert (await stream.next())[0] == "snapshot"
    async with events(anybody, **cookie, Origin="http://page.test") as stream:
        assert stream.answer.headers["Access-Control-Allow-Origin"] == "http://page.test"


async def test_a_head_of_a_stream_does_not_hang(node: Node, opened: Opened) -> None:
    """405, at once."""
    line = f"Authorization: Bearer {opened.token}"
    assert (await raw.send(node, raw.get(node, EVENTS, line, method="HEAD"))).status == 405


async def test_a_reader_that_goes_away_is_counted_out(
    opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """The connection counts while it is open."""

    async def is_counted(connections: int) -> bool:
        return bool(good(await service.get(f"/v1/sessions/{opened.sid}"))["connections"] == connections)

    async with events(user) as stream:
        await stream.next()
        await eventually(lambda: is_counted(1))
    await eventually(lambda: is_counted(0))
