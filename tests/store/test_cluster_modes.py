"""One shard that fails concerns its own sessions: the others are served as ever, by nodes that start meanwhile too."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from hub.core.ports import Done, HeardChange
from hub.core.session import Session, user_tag
from hub.errors import Maintenance, Unavailable
from hub.store import calls, replicas
from hub.store.ends import Ends
from tests.store.clusters import Node, Place, cluster_place
from tests.support.sessions import commit, committed, end, opening, read
from tests.support.waiting import eventually

pytestmark = [pytest.mark.contract, pytest.mark.timeout(90)]

SECONDS = 15.0
AT_ONCE_SECONDS = 0.5  # of what waits for no other shard; a call to one that stands still takes two seconds


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """One cluster for all tests of this file."""
    with cluster_place() as made:
        yield made


@asynccontextmanager
async def frozen_shard(place: Place, session: Session) -> AsyncIterator[None]:
    """The servers of a session's shard stand still, all of them; afterwards they go on, and all is well again."""
    owner = await asyncio.to_thread(place.owner, session)
    stopped = [owner, *place.cluster.replicas_of(owner)]
    for server in stopped:
        server.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for server in stopped:
            server.signal(signal.SIGCONT)
        await eventually(_whole(place), SECONDS)


def _whole(place: Place) -> Callable[[], Awaitable[bool]]:
    async def is_whole() -> bool:
        return await asyncio.to_thread(place.cluster.is_whole)

    return is_whole


def mode_is(node: Node, session: Session, wanted: str) -> Callable[[], Awaitable[bool]]:
    """Whether a node says so of a session."""

    async def is_so() -> bool:
        return node.store.mode_of(session.sid) == wanted

    return is_so


async def serve(node: Node, session: Session) -> None:
    """Everything that is done for a session, each at once."""
    store, at = node.store, await read(node.store, session.sid)

    async def open_one() -> Session:
        return await opening(store, user=session.log_in.user).live()

    for doing in (
        committed(store, at, cart={"n": at.position.revision}),
        store.touch(at, 900_000),
        store.connections(at.sid),
        store.arrive(at, "connection", None),
        store.positions([at.sid]),
        open_one(),
    ):
        began = time.monotonic()
        await doing
        assert time.monotonic() - began < AT_ONCE_SECONDS


async def test_a_shard_that_stands_still_holds_up_its_own_sessions_only(place: Place) -> None:
    """Before it is noticed and after: the others are read, written, touched, opened, listed as present. Of its own all
    is refused, at once when it is known; then all is as it was, and the feed is heard again before that is said."""
    async with place.node("one") as node:
        first, *others = await node.on_each_shard()
        for each in others:
            await node.store.connections(each.sid)
        await node.store.subscribe(user_tag(first.sid))
        async with frozen_shard(place, first):
            asking = asyncio.ensure_future(node.store.read(first.sid))
            for each in others:
                await serve(node, each)
            with pytest.raises(Maintenance):
                await asking
            await eventually(mode_is(node, first, "maintenance"), SECONDS)
            began = time.monotonic()
            for doing in (read(node.store, first.sid), commit(node.store, first, None, cart={"n": 1})):
                with pytest.raises(Maintenance):
                    await doing
            assert time.monotonic() - began < AT_ONCE_SECONDS
            for each in others:
                await serve(node, each)
            assert node.store.mode == "maintenance"
            assert (node.store.watching.is_serving, node.store.is_ready) == (True, False)
            node.store.check_writable()
            sids = [first.sid, *(each.sid for each in others)]
            assert set(await node.store.positions(sids)) == {each.sid for each in others}
            async with place.node("two") as other:
                assert other.store.mode_of(first.sid) == "maintenance"
                await other.store.subscribe(user_tag(others[0].sid))
                await committed(other.store, await read(other.store, others[0].sid), cart={"n": -1})
                await other.ear.until(lambda: bool(other.ear.heard))
        async with asyncio.timeout(SECONDS):
            await node.store.until_live(first.sid)
        assert node.modes_of(first) == ["maintenance", "live"]
        assert all(node.modes_of(each) == [] for each in others)
        assert [part.holds(user_tag(first.sid)) for part in node.ear.parts] == [True]
        assert not any(part.holds(user_tag(each.sid)) for part in node.ear.parts for each in others)
        assert isinstance(await commit(node.store, first, None, cart={"n": 1}), Done)
        await node.ear.until(lambda: any(isinstance(each, HeardChange) for each in node.ear.heard))


async def test_the_sweep_ends_what_is_due_wherever_it_can(place: Place) -> None:
    """Listings are spread over all shards; the sets and sessions of one that is away are left for later."""
    async with place.node("one") as node:
        first, second, _ = await node.on_each_shard()
        due = [await opening(node.store, user=each.log_in.user, idle_ms=50).live() for each in (first, second)]
        async with frozen_shard(place, first):
            await eventually(mode_is(node, first, "maintenance"), SECONDS)
            for shard in node.store.shards.all:
                if shard.mode == "live":
                    await shard.calls.call("PING")
            await node.store.sweep()
            found = await node.store.read(due[1].sid)
            assert found is not None
            assert found.ending is not None


async def fail_over_behind(place: Place, node: Node, session: Session) -> None:
    """A session ends; the replica has not heard of it, and is promoted."""
    owner = await asyncio.to_thread(place.owner, session)
    [replica] = place.cluster.replicas_of(owner)
    replica.signal(signal.SIGSTOP)
    assert owner.ask("CLIENT", "KILL", "TYPE", "replica")  # nothing more is on its way to it
    said = {"detail": "", "actor": "service:test", "request_id": "request"}
    done = await node.store.end([session.sid], "revoked", **said)
    assert done.confirmed == "none"
    owner.kill()
    replica.signal(signal.SIGCONT)
    await asyncio.to_thread(place.cluster.until_promoted, replica)
    owner.start()
    await eventually(_whole(place), SECONDS)
    async with asyncio.timeout(SECONDS):
        while node.store.mode_of(session.sid) != "live":
            await node.store.until_live(session.sid)


async def test_what_ended_has_ended_on_a_promoted_replica_too(place: Place) -> None:
    """Though it never heard of it: the node makes the ends of the last minutes again, in that shard."""
    async with place.node("one") as node:
        first, *others = await node.on_each_shard()
        await fail_over_behind(place, node, first)
        assert (await read(node.store, first.sid)).ending is not None
        assert node.modes_of(first)[-1] == "live"
        assert all(node.modes_of(each) == [] for each in others)


async def test_without_that_it_would_live(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""

    async def end_nothing(*_: object) -> None:
        """Nothing."""

    monkeypatch.setattr(Ends, "end_again", end_nothing)
    async with place.node("one") as node:
        first, *_ = await node.on_each_shard()
        await fail_over_behind(place, node, first)
        assert (await read(node.store, first.sid)).ending is None
        assert await end(node.store, first.sid) == 1


async def test_a_failover_that_is_asked_for_loses_nothing(place: Place) -> None:
    """``CLUSTER FAILOVER`` while somebody commits: what is refused is refused as not now, and afterwards it goes on."""
    async with place.node("one", durability="replicated:1") as node:
        session = (await node.on_each_shard())[0]
        owner = await asyncio.to_thread(place.owner, session)
        [replica] = place.cluster.replicas_of(owner)
        at, done = session, 0
        assert replica.ask("CLUSTER", "FAILOVER")
        deadline = time.monotonic() + SECONDS
        while done < 20 or not replica.is_primary:
            assert time.monotonic() < deadline
            try:
                if isinstance(await commit(node.store, at, None, cart={"n": done}), Done):
                    done += 1
                at = await read(node.store, session.sid)
            except Unavailable:
                await asyncio.sleep(0.02)
        assert at.position.revision >= 1 + done
        assert (await asyncio.to_thread(place.owner, session)).port == replica.port
        await eventually(_whole(place), SECONDS)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes three seconds takes one."""
    monkeypatch.setattr(replicas, "EVERY_SECONDS", 0.2)
    monkeypatch.setattr(replicas, "CONFIRM_MS", 200)
    monkeypatch.setattr(calls, "WATCH_MS", 200)
    monkeypatch.setattr(replicas, "LATEST_SECONDS", 1.0)


async def test_a_replica_that_is_gone_is_no_isolation(place: Place, hurry: None) -> None:
    """As long as most primaries hold the one for the primary."""
    async with place.node("one") as node:
        session = (await node.on_each_shard())[0]
        [replica] = place.cluster.replicas_of(await asyncio.to_thread(place.owner, session))
        replica.signal(signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                await eventually(mode_is(node, session, "maintenance"), 3.0)
            assert (
                await node.store.end([session.sid], "revoked", detail="", actor="a", request_id="r")
            ).confirmed == "none"
        finally:
            replica.signal(signal.SIGCONT)
        await eventually(_whole(place), SECONDS)


def test_a_primary_that_is_cut_off_from_all_others_is_left(hurry: None) -> None:
    """Nothing it writes arrives anywhere, and nobody vouches for it: the node beside it says so long before it does."""
    with cluster_place("cluster-node-timeout 60000") as place:
        asyncio.run(_leave_isolated(place))


async def _leave_isolated(place: Place) -> None:
    async with place.node("one") as node:
        session = (await node.on_each_shard())[0]
        owner = await asyncio.to_thread(place.owner, session)
        others = [server for server in place.cluster.servers if server is not owner]
        for server in others:
            server.signal(signal.SIGSTOP)
        since = time.monotonic()
        try:
            await eventually(mode_is(node, session, "maintenance"), SECONDS)
            assert 0.9 < time.monotonic() - since < 5.0
            assert owner.ask("SET", f"hub:{{{user_tag(session.sid)}}}:probe", "1")
            with pytest.raises(TimeoutError):
                await eventually(mode_is(node, session, "live"), 2.0)
        finally:
            for server in others:
                server.signal(signal.SIGCONT)
        await eventually(mode_is(node, session, "live"), SECONDS)
