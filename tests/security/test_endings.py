"""Rows of the table about ends: they reach every tab, they are final, and they come when they are due."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed

from hub.store import keys
from hub.store.store import Store
from tests.faults.lengths import IS_LONG
from tests.faults.stage import CRIPPLED
from tests.security.roads import ROADS, Place, Road, in_browser, now, place_of, short_lived
from tests.security.scenes import set_scene
from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node
from tests.support.sessions import opening
from tests.support.tabs import Opened, Tab, as_service, as_user, log_in, merge, open_tab
from tests.support.truth import store_of, truth_in

pytestmark = pytest.mark.edge

AT_ONCE_SECONDS, FEED_CUT_SECONDS, CHECK_SECONDS = 1.0, 6.0, 3.0
IDLE_SECONDS, LATE_SECONDS = 2.0, 0.7
RACES, AT_ONCE = (1000 if IS_LONG else 200), 20
THREE_TABS = (3, 1)
BY_NAME = {road.name: road for road in ROADS}
FOUR_ROADS = [BY_NAME[name] for name in ("operator, one", "log-out here", "provider, by sid", "idle")]


@pytest.fixture(scope="module")
def short(hub_cluster: Cluster) -> Node:
    """A node that opens sessions of a short life."""
    return short_lived(hub_cluster, idle="2s", absolute="4s")


@pytest.fixture(scope="module")
def other(hub_cluster: Cluster) -> Node:
    """A second node."""
    return hub_cluster.node()


@pytest.fixture
async def place(hub_cluster: Cluster, node: Node, other: Node, short: Node) -> AsyncIterator[Place]:
    """Both of them."""
    async with place_of(hub_cluster, [node, other], short) as made:
        yield made


@pytest.mark.parametrize("road", FOUR_ROADS, ids=lambda road: road.name)
async def test_29_an_ended_session_loses_every_tab_within_a_second(place: Place, road: Road) -> None:
    """Three tabs at two nodes hear ``ended`` last, then are closed; the ended are shut out, others go on."""
    async with AsyncExitStack() as stack:
        scene = await set_scene(place, road, stack, THREE_TABS)
        await scene.play(AT_ONCE_SECONDS)
        await scene.aftermath()


async def test_30_an_end_while_the_feed_is_cut_is_heard_within_six_seconds(place: Place) -> None:
    """The store cuts every subscription just before."""
    async with AsyncExitStack() as stack, Redis.from_url(place.cluster.store_url) as store:
        scene = await set_scene(place, BY_NAME["service"], stack, THREE_TABS)
        assert int(await store.client_kill_filter(_type="pubsub")) >= 2
        await scene.play(FEED_CUT_SECONDS)
        await scene.aftermath(is_disturbed=True)


async def test_30_an_end_that_nobody_was_told_of_is_found_by_the_position_check(hub_cluster: Cluster) -> None:
    """Its one message is lost without a trace; two checks later (here twice a second) its tabs are closed."""
    deaf = hub_cluster.node(CRIPPLED, CRIPPLES="mute_ends,hasty")
    opened = await log_in(hub_cluster, deaf)
    async with await open_tab(deaf, opened.token) as tab, as_service(deaf) as service:
        await tab.until_live()
        good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
        await tab.until_closed(CHECK_SECONDS)
        assert (tab.code, tab.types[-1]) == (4500, "ended")


# 33


class Races:
    """Commits through two nodes and touches, against the ends of their sessions, in any order."""

    def __init__(self, store: Store, raw: Redis, services: list[httpx.AsyncClient]) -> None:
        self.store, self.raw, self.services = store, raw, services
        self.sids: list[str] = []
        self.won = 0  # commits that came before the end

    async def run(self) -> None:
        """One session, from its opening to its end."""
        session = await opening(self.store, document={"profile": {}}).live()
        acts = [self.commit(session.sid, number) for number in range(4)]
        acts += [self.end(session.sid), self.touch(session.sid)]
        random.shuffle(acts)
        statuses = await asyncio.gather(*acts)
        assert set(statuses) <= {200, 204, 410}, statuses
        won = statuses.count(200)
        truth = await truth_in(self.store, session.sid, str(session.position))
        assert [each["kind"] for each in truth.history] == ["commit"] * won + ["end"]
        self.sids.append(session.sid)
        self.won += won

    async def late(self) -> None:
        """Everything again, after the end."""
        for sid in self.sids:
            acts = [self.commit(sid, 5), self.commit(sid, 6), self.touch(sid)]
            assert await asyncio.gather(*acts) == [410, 410, 204]

    async def commit(self, sid: str, number: int) -> int:
        return (await merge(self.services[number % 2], sid, {"profile": {f"n{number}": number}})).status_code

    async def end(self, sid: str) -> int:
        return (await self.services[random.randrange(2)].delete(f"/v1/sessions/{sid}")).status_code

    async def touch(self, sid: str) -> int:
        found = await self.store.read(sid)
        assert found is not None
        was_live = found.ending is None
        assert await self.store.touch(found, 1_000_000) is None or was_live
        return 204

    async def left(self) -> dict[str, object]:
        """What the store holds of these users: every tombstone, the length of every history, every key."""
        tags = {sid[:16] for sid in self.sids}
        held: dict[str, object] = {}
        async for key in self.raw.scan_iter("hub:{*", count=10_000):
            if key[5:21].decode() in tags:
                held[key.decode()] = None
        for sid in self.sids:
            tombstone: Any = await self.raw.hgetall(keys.record(sid))
            assert (tombstone[b"status"], b"doc" in tombstone) == (b"ended", False)
            held[keys.record(sid)], held[keys.history(sid)] = tombstone, await self.raw.xlen(keys.history(sid))
        return held


@pytest.mark.timeout(180)
async def test_33_no_order_of_commit_touch_and_end_brings_a_session_back(
    hub_cluster: Cluster, node: Node, other: Node
) -> None:
    """Hundreds of races (a thousand in the long form): over for good, and nothing grows after the end."""
    room = asyncio.Semaphore(AT_ONCE)
    async with (
        store_of(hub_cluster) as store,
        Redis.from_url(hub_cluster.store_url) as raw,
        as_service(node) as one,
        as_service(other) as two,
    ):
        races = Races(store, raw, [one, two])

        async def run() -> None:
            async with room:
                await races.run()

        await asyncio.gather(*(run() for _ in range(RACES)))
        before = await races.left()
        assert len(before) >= 2 * RACES
        await races.late()
        assert await races.left() == before
    assert 0 < races.won < 4 * RACES, "the end always came first, or always last"


# 34


class SlowApp:
    """An app's server that answers when told to."""

    def __init__(self) -> None:
        self.is_asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> SlowApp:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.is_asked.set()
        await self.may_answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()


async def test_34_a_request_in_flight_during_a_log_out_revives_nothing(hub_cluster: Cluster) -> None:
    """However it ends: no cookie is set by it or after it, and the session stays over."""
    async with SlowApp() as app:
        node = hub_cluster.node(HUB_APPS__SLOW__PREFIX="/apps/slow", HUB_APPS__SLOW__UPSTREAM=app.url)
        opened = await log_in(hub_cluster, node)
        navigation = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
        async with in_browser(node, opened) as slow, in_browser(node, opened) as quick:
            in_flight = asyncio.create_task(slow.get("/apps/slow/page", headers=navigation))
            await app.is_asked.wait()
            assert (await quick.post("/auth/logout")).status_code == 204
            app.may_answer.set()
            assert "set-cookie" not in (await in_flight).headers
        async with in_browser(node, opened) as after:
            for path in ("/v1/sessions/me", "/v1/sessions/me/document", "/apps/slow/page"):
                problem(await after.get(path), 401, "session_ended")
    async with store_of(hub_cluster) as store:
        found = await store.read(opened.sid)
        assert found is not None
        assert found.ending is not None


async def test_34_nothing_slides_the_deadline_of_a_session_that_is_over(hub_cluster: Cluster) -> None:
    """A touch that was on its way when the session ended changes not one field."""
    async with store_of(hub_cluster) as store, Redis.from_url(hub_cluster.store_url) as raw:
        session = await opening(store).live()
        await store.end([session.sid], "logged_out", detail="", actor="user:ada", request_id="r")
        before: Any = await raw.hgetall(keys.record(session.sid))
        assert await store.touch(session, 10**9) is None
        assert await raw.hgetall(keys.record(session.sid)) == before


# 35 and 36


async def test_35_pings_reads_and_pushes_keep_nobody_logged_in(hub_cluster: Cluster, short: Node) -> None:
    """An open tab, a stream of pings, reads of every kind and commits by others: idle all the same, on time."""
    since = now()
    opened = await log_in(hub_cluster, short)
    async with await open_tab(short, opened.token) as tab, as_user(short, opened) as user, as_service(short) as service:
        count = 0
        while tab.closed_at is None and now() - since < 2 * IDLE_SECONDS:
            count += 1
            await send_unless_closed(tab, {"type": "ping"})
            for path in ("", "/document", f"/changes?since={opened.position}"):
                await user.get(f"/v1/sessions/me{path}")
            await user.post("/v1/sessions/me/tickets", json={})
            await merge(service, opened.sid, {"profile": {"n": count}})
        await tab.until_closed(0.1)
        assert IDLE_SECONDS <= (tab.closed_at or 0) - since < IDLE_SECONDS + LATE_SECONDS
        assert (tab.code, tab.frames[-1]["reason"]) == (4500, "idle")
        assert tab.types.count("heartbeat") > 5


async def send_unless_closed(tab: Tab, message: dict[str, Any]) -> None:
    """It may be closed at any moment."""
    try:
        await tab.send(message)
    except ConnectionClosed:
        return


async def test_36_no_call_moves_the_absolute_deadline(hub_cluster: Cluster, short: Node, node: Node) -> None:
    """A touch beyond it is clamped to it, and of all calls there are, called by the user, none moves it."""
    opened = await log_in(hub_cluster, short)
    async with in_browser(node, opened) as user:
        first = good(await user.get("/v1/sessions/me"))
        good(await merge(user, "me", {"profile": {"n": 1}}))  # slides by this node's idle time, which is hours
        touched = good(await user.get("/v1/sessions/me"))
        assert touched["idle_expires_at"] == touched["expires_at"] == first["expires_at"]
        for method, path in await calls_of(user, opened):
            await user.request(method, path, json={}, follow_redirects=False)
            now_said = good(await user.get("/v1/sessions/me"))
            assert (now_said["idle_expires_at"], now_said["expires_at"]) == (first["expires_at"],) * 2, (method, path)


async def calls_of(user: httpx.AsyncClient, opened: Opened) -> list[tuple[str, str]]:
    """Every operation of the API but those that end sessions or go on for ever."""
    described = (await user.get("/openapi.json")).json()["paths"]
    names = {"{sid}": "me", "{user}": "me", "{section}": "profile", "{version}": "0"}
    found = []
    for path, operations in described.items():
        for name, value in names.items():
            path = path.replace(name, value)
        for method in {"get", "post", "put", "patch", "delete"} & operations.keys():
            ends = method == "delete" and path.endswith(("/me", "/sessions"))
            if not ends and not path.endswith(("/auth/logout", "/live", "/events")):
                found.append((method.upper(), path))
    assert len(found) > 15
    return found
