"""A cluster under load: one shard's primary dies or stands still, slots move. Nothing acknowledged is lost, every copy
arrives, and the sessions of other shards do not notice."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hub.store import keys
from hub.store.keyring import KeyRing
from hub.store.slots import slot_of
from tests.faults.lengths import IS_LONG
from tests.faults.stage import CRIPPLED
from tests.support.answers import good
from tests.support.clustered import Clustered, Member
from tests.support.load import Load, Track
from tests.support.nodes import Cluster, Node, cluster
from tests.support.tabs import as_service, merge
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900 if IS_LONG else 120)]

FAILOVERS = 20 if IS_LONG else 2
MOVES = 200 if IS_LONG else 8
FEED_SECONDS = 6.0
QUIET_SECONDS = 8.0
BACK_SECONDS = 20.0
UNDISTURBED_SECONDS = 1.5  # a call to a shard that stands still takes two


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Cluster, Clustered]]:
    """A cluster of stores, and what nodes on it need."""
    with cluster() as made:
        store = Clustered(made.folder)
        try:
            store.start()
            made.store_url = store.url
            yield made, store
        finally:
            store.stop()


@asynccontextmanager
async def loaded(made: Cluster, module: str = "hub", **environment: str) -> AsyncIterator[Load]:
    """Two nodes, and callers of both. They keep the whole history for the checker, however long that goes on."""
    environment |= {"HUB_SESSION__HISTORY_CHANGES": "1000000"}
    nodes = [await asyncio.to_thread(lambda: made.node(module, port=None, **environment)) for _ in range(2)]
    try:
        async with Load(made, nodes, 0.0) as load:
            load.until = time.monotonic() + 3600
            yield load
    finally:
        for node in nodes:
            node.kill()


def user_in(made: Cluster, store: Clustered, shard: Member, begins: str) -> str:
    """Somebody whose sessions are in this shard."""
    index = KeyRing.load(made.ring).index.active.secret
    ranges = [
        range(first, last + 1) for first, last, node, *_ in shard.ask("CLUSTER", "SLOTS") if node[1] == shard.port
    ]
    names = (f"{begins}-{number}" for number in itertools.count())
    tags = ((name, keys.tag_of_user(index, made.provider.issuer, name)) for name in names)
    return next(name for name, tag in tags if any(slot_of(tag) in each for each in ranges))


def slot_of_track(track: Track) -> int:
    """Where its session is."""
    return slot_of(keys.record(track.opened.sid))


async def until_more(track: Track, count: int) -> None:
    """Until so many more commits were acknowledged."""
    acknowledged = track.recorded.acknowledged
    goal = len(acknowledged) + count

    async def are_there() -> bool:
        return len(acknowledged) >= goal

    await eventually(are_there, BACK_SECONDS)


def callers_of(load: Load, track: Track) -> list[Any]:
    """Writers and readers of a session. Not from the tabs of one that will end: they are not answered any more."""
    from_tabs = [] if track.will_end else [load.write_from_tab(track, 1)]
    blind = [load.write_blind(track, number) for number in range(2)]
    return [*blind, *from_tabs, load.write_matching(track, 0), load.read(track, 0)]


def disturbances(track: Track) -> list[str]:
    """What a session that nothing happened to should not have seen."""
    found = [f"{each.answered - each.asked:.2f} s" for each in track.recorded.acknowledged]
    found = [each for each in found if float(each.split()[0]) > UNDISTURBED_SECONDS]
    for copy in track.copies:
        kinds = [frame.message["type"] for frame in copy.story.frames]
        found += [kind for kind in kinds if kind in ("mode", "closed")] + ["snapshot"] * (kinds.count("snapshot") - 1)
    return found


class Ready:
    """What ``/readyz`` of a node says meanwhile."""

    def __init__(self, node: Node) -> None:
        self._node, self.said = node, set[tuple[int, str]]()

    async def ask(self) -> None:
        """Again and again, until cancelled."""
        async with as_service(self._node) as client:
            while True:
                answer = await client.get("/readyz")
                self.said.add((answer.status_code, answer.json()["mode"]))
                await asyncio.sleep(0.05)


async def test_one_shard_fails_over_and_the_others_do_not_notice(
    place: tuple[Cluster, Clustered], row: Callable[[str], Any]
) -> None:
    """Failover after failover of one shard, under load on all three: every property of the checker holds for each, an
    end stays one; in the other two no tab hears of a mode or reads again, and no answer takes long. The nodes stay
    ready."""
    made, store = place
    async with loaded(made, HUB_DURABILITY="replicated:1") as load:
        one, *others = await asyncio.to_thread(store.owners)
        living = await load.track(user_in(made, store, one, "ada"), [*load.nodes, load.nodes[1]])
        ending = await load.track(user_in(made, store, one, "grace"), load.nodes, will_end=True)
        beside = [await load.track(user_in(made, store, each, "linus"), load.nodes) for each in others]
        ready = Ready(load.nodes[0])
        asking = asyncio.create_task(ready.ask())
        callers = asyncio.gather(*(each for track in load.tracks for each in callers_of(load, track)))
        try:
            for number in range(FAILOVERS):
                await until_more(living, 10)
                primary = await asyncio.to_thread(store.owner, slot_of_track(living))
                await store.fail_over(primary, by_standstill=number % 2 == 0)
                if number == 0:
                    await load.end(ending, 0, FEED_SECONDS)
            await until_more(living, 10)
        finally:
            load.until = 0.0
            await callers
            asking.cancel()
        living.recorded.may_forget = ending.recorded.may_forget = True
        found = await load.settle(QUIET_SECONDS)
        line = row("shard failover")
        line.operations, line.injected, line.violations = load.operations, FAILOVERS, len(found)
        assert not found, found[:5]
        assert [disturbances(track) for track in beside] == [[], []]
        assert all(len(track.recorded.acknowledged) >= 20 * FAILOVERS for track in beside)
        assert {"mode"} <= {frame.message["type"] for copy in living.copies for frame in copy.story.frames}
        assert {status for status, _ in ready.said} == {200}
        assert (200, "maintenance") in ready.said


async def move(store: Clustered, track: Track) -> None:
    """The slot of a session goes to the next shard."""
    slot = slot_of_track(track)
    owner = await asyncio.to_thread(store.owner, slot)
    owners = await asyncio.to_thread(store.owners)
    await asyncio.to_thread(store.move, slot, owners[(owners.index(owner) + 1) % len(owners)])


async def move_and_commit(store: Clustered, load: Load, track: Track) -> None:
    """The last change of all is made at the new place, before nodes listen there."""
    await move(store, track)
    async with as_service(load.nodes[0]) as client:
        good(await merge(client, track.opened.sid, {"profile": {"last": 1}}))


async def test_slots_that_move_under_load_take_everything_along(
    place: tuple[Cluster, Clustered], row: Callable[[str], Any]
) -> None:
    """From shard to shard, again and again: every property of the checker holds, no tab hears of a mode;
    and a session whose slot stays notices nothing."""
    made, store = place
    async with loaded(made) as load:
        one, *_ = await asyncio.to_thread(store.owners)
        moving = [await load.track(user_in(made, store, one, name), load.nodes) for name in ("ada", "grace")]
        beside = await load.track(user_in(made, store, one, "linus"), load.nodes)
        callers = asyncio.gather(*(each for track in load.tracks for each in callers_of(load, track)))
        try:
            for number in range(MOVES):
                await until_more(moving[number % 2], 3)
                await move(store, moving[number % 2])
        finally:
            load.until = 0.0
            await callers
        await move_and_commit(store, load, moving[0])
        found = await load.settle(QUIET_SECONDS)
        line = row("slots moved")
        line.operations, line.injected, line.violations = load.operations, MOVES + 1, len(found)
        assert not found, found[:5]
        assert disturbances(beside) == []
        kinds = [frame.message["type"] for track in moving for copy in track.copies for frame in copy.story.frames]
        assert "mode" not in kinds


async def test_nodes_that_do_not_follow_a_slot_hear_nothing_more(
    place: tuple[Cluster, Clustered], row: Callable[[str], Any]
) -> None:
    """The negative control: they stay where they subscribed first."""
    made, store = place
    async with loaded(made, CRIPPLED, CRIPPLES="homeless,unchecked") as load:
        one, *_ = await asyncio.to_thread(store.owners)
        track = await load.track(user_in(made, store, one, "ada"), load.nodes)
        await move_and_commit(store, load, track)
        found = await load.settle(3.0)
        row("slots moved").control = "copies_arrive" if any("copies_arrive" in each for each in found) else "silent"
        assert any("copies_arrive" in each for each in found), found
