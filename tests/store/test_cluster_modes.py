"""One shard that fails concerns its own sessions: the others are served as ever, by nodes that start meanwhile too."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from hub.core.ports import Done, HeardChange
from hub.core.session import Session, user_tag
from hub.errors import Maintenance, Unavailable
from hub.store import calls, keys, replicas
from tests.store.clusters import Node, Place
from tests.support import clustered
from tests.support.replicated import wait_for
from tests.support.sessions import commit, committed, end, opening, read
from tests.support.waiting import eventually

pytestmark = [pytest.mark.contract, pytest.mark.timeout(90)]

SECONDS = 15.0
SAID = {"detail": "", "actor": "service:test", "request_id": "request"}
AT_ONCE_SECONDS = 0.5  # of what waits for no other shard; a call to one that stands still takes two seconds


@pytest.fixture
def place(cluster_place: Place) -> Place:
    """The one of this folder."""
    return cluster_place


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


async def due_elsewhere(node: Node, first: Session) -> Session:
    """A session that is over soon, in another shard than ``first``, and so is the list with its deadline."""
    while True:
        session = await opening(node.store, idle_ms=50).live()
        places = [node.shard(session), node.store.shards.of(keys.all_shard(session.sid))]
        if node.shard(first) not in places:
            return session


async def test_a_shard_that_stands_still_holds_up_its_own_sessions_only(place: Place) -> None:
    """Before it is noticed and after: the others are read, written, touched, opened, listed as present, ended when they
    are due. Of its own all is refused, at once when it is known. Then all is as it was; and the feed is heard again
    before that is said."""
    async with place.node("one") as node:
        # Which nodes live is written there too, and the others go on without knowing.
        first, *others = sorted(await node.on_each_shard(), key=lambda each: not node.has_nodes(each))
        due = await due_elsewhere(node, first)
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
            await node.store.sweep()
            assert await node.store.calls.call("HGET", keys.record(due.sid), "status") == b"ended"
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
        modes = node.modes_of(first)
        assert (modes[0], modes[-1]) == ("maintenance", "live")
        assert all(node.modes_of(each) == [] for each in others)
        assert node.ear.parts
        assert all(part.holds(user_tag(first.sid)) for part in node.ear.parts)
        assert not any(part.holds(user_tag(each.sid)) for part in node.ear.parts for each in others)
        assert isinstance(await commit(node.store, first, None, cart={"n": 1}), Done)
        await node.ear.until(lambda: any(isinstance(each, HeardChange) for each in node.ear.heard))


async def test_what_ended_has_ended_on_a_promoted_replica_too(place: Place) -> None:
    """Though it never heard of it: the node makes the ends of the last minutes again, in that shard. What a node ended
    that is no more, lives again: the negative control."""
    async with place.node("one") as node:
        first, *others = await node.on_each_shard()
        forgotten = await opening(node.store, user=first.log_in.user).live()
        owner = await asyncio.to_thread(place.owner, first)
        [replica] = place.cluster.replicas_of(owner)
        async with place.node("two") as leaving:
            replica.signal(signal.SIGSTOP)
            assert owner.ask("CLIENT", "KILL", "TYPE", "replica")  # nothing more is on its way to it
            ends = [(node, first), (leaving, forgotten)]
            done = await asyncio.gather(*(each.store.end([session.sid], "revoked", **SAID) for each, session in ends))
            assert {each.confirmed for each in done} == {"none"}
        owner.kill()
        replica.signal(signal.SIGCONT)
        await asyncio.to_thread(place.cluster.until_promoted, replica)
        owner.start()
        await eventually(_whole(place), SECONDS)
        await eventually(mode_is(node, first, "live"), SECONDS)
        assert (await read(node.store, first.sid)).ending is not None
        assert (await read(node.store, forgotten.sid)).ending is None
        assert all(node.modes_of(each) == [] for each in others)
        assert await end(node.store, forgotten.sid) == 1


async def test_a_failover_that_is_asked_for_loses_nothing(place: Place) -> None:
    """``CLUSTER FAILOVER`` while somebody commits: what is refused is refused as not now, and afterwards it goes on."""
    async with place.node("one", durability="replicated:1") as node:
        session = (await node.on_each_shard())[0]
        owner = await asyncio.to_thread(place.owner, session)
        [replica] = place.cluster.replicas_of(owner)
        at, done = session, 0
        await asyncio.to_thread(wait_for, lambda: replica.ask("CLUSTER", "FAILOVER") or replica.is_primary)
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
                await eventually(mode_is(node, session, "maintenance"), 2.0)
            assert (await node.store.end([session.sid], "revoked", **SAID)).confirmed == "none"
        finally:
            replica.signal(signal.SIGCONT)
        await eventually(_whole(place), SECONDS)


async def test_a_primary_that_is_cut_off_from_all_others_is_left(place: Place, hurry: None) -> None:
    """Nothing it writes arrives anywhere, and nobody vouches for it: the node beside it says so long before it does."""
    async with place.node("one") as node:
        session = (await node.on_each_shard())[0]
        owner = await asyncio.to_thread(place.owner, session)
        assert owner.ask("CONFIG", "SET", "cluster-node-timeout", 60_000)
        others = [server for server in place.cluster.servers if server is not owner]
        for server in others:
            server.signal(signal.SIGSTOP)
        since = time.monotonic()
        try:
            await eventually(mode_is(node, session, "maintenance"), SECONDS)
            assert 0.9 < time.monotonic() - since < 5.0
            assert owner.ask("SET", f"hub:{{{user_tag(session.sid)}}}:probe", "1"), "it knows nothing of it"
            with pytest.raises(TimeoutError):
                await eventually(mode_is(node, session, "live"), 2.0)
        finally:
            for server in others:
                server.signal(signal.SIGCONT)
            owner.ask("CONFIG", "SET", "cluster-node-timeout", clustered.NODE_TIMEOUT_MS)
        await eventually(mode_is(node, session, "live"), SECONDS)
        await eventually(_whole(place), SECONDS)
