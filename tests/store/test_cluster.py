"""A store of three shards: everything of a user is in one, and what is served elsewhere by now is done there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hub.core.ports import Done, HeardChange, HeardEnd, IdempotencyKey, Remembered
from hub.core.session import user_tag
from hub.errors import Maintenance
from hub.store import keys
from tests.store.clusters import Node, Place
from tests.support.sessions import commit, committed, end, opening, read

pytestmark = [pytest.mark.contract, pytest.mark.timeout(60)]


@pytest.fixture
def place(cluster_place: Place) -> Place:
    """The one of this folder."""
    return cluster_place


@pytest.fixture
async def nodes(place: Place) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes."""
    async with place.node("one") as one, place.node("two") as two:
        yield one, two


async def test_sessions_are_spread_and_all_of_a_user_is_in_one_slot(place: Place, nodes: tuple[Node, Node]) -> None:
    """Opened, committed to, listed, marked at their provider, and ended all at once: every shard has keys, and the keys
    of a user are on the server that serves the slot of the tag."""
    one, two = nodes
    sessions = await one.on_each_shard()
    for session in sessions:
        key = IdempotencyKey("one", "service:test", b"body")
        assert isinstance(await commit(one.store, session, key, cart={"n": 1}), Done)
        assert isinstance(await commit(two.store, session, key, cart={"n": 1}), Remembered)
        assert (await read(two.store, session.sid)).document["cart"] == {"n": 1}
        assert len((await two.store.changes(await read(two.store, session.sid), session.position, 10)).changes) == 1
        await one.store.arrive(session, "connection", "a")
        assert [each["id"] for each in await two.store.connections(session.sid)] == ["connection"]
        assert await one.store.touch(session, 900_000) is not None
        owner = place.cluster.owner(place.slot(session))
        found = place.cluster.keys_in(owner, place.slot(session))
        assert {name.split(b":")[2][:1] for name in found} >= {b"s", b"h", b"i", b"p", b"u"}
    assert len({place.cluster.owner(place.slot(session)).port for session in sessions}) == 3
    listed, cursor = await two.store.sids_from(None, 1000)
    assert cursor is None
    assert {session.sid for session in sessions} <= set(listed)
    stands = await two.store.positions([session.sid for session in sessions])
    assert {str(position) for position in stands.values()} != {"None"}
    said = {"detail": "", "actor": "service:test", "request_id": "request"}
    for session in sessions:
        done = await one.store.end_user(user_tag(session.sid), "revoked", spared=None, **said)
        assert (done.count, done.confirmed) == (1, "all")
        assert (await read(two.store, session.sid)).ending is not None
        assert (await read(two.store, session.sid)).is_closed
    assert one.told == two.told == []


async def test_every_shard_is_heard(nodes: tuple[Node, Node]) -> None:
    """A change and an end of a session in each; what was left is not heard any more."""
    one, two = nodes
    sessions = await one.on_each_shard()
    for session in sessions:
        await two.store.subscribe(user_tag(session.sid))
    for session in sessions:
        await committed(one.store, session, cart={"n": 1})
        await end(one.store, session.sid)
    await two.ear.until(lambda: len(two.ear.heard) == 2 * len(sessions))
    assert {heard.sid for heard in two.ear.heard} == {session.sid for session in sessions}
    assert sum(isinstance(heard, HeardEnd) for heard in two.ear.heard) == len(sessions)
    left = await opening(one.store).live()
    await two.store.subscribe(user_tag(left.sid))
    await two.store.unsubscribe(user_tag(left.sid))
    await committed(one.store, left, cart={"n": 1})
    await two.store.subscribe(user_tag(left.sid))
    await one.store.arrive(left, "connection", None)
    await two.ear.until(lambda: two.ear.heard[-1].sid == left.sid)
    assert len(two.ear.heard) == 2 * len(sessions) + 1


async def test_what_is_used_once_is_used_once_on_any_shard(nodes: tuple[Node, Node]) -> None:
    """Names are spread over all of them."""
    ones = [each.store.once for each in nodes]
    for number in range(12):
        claims = await asyncio.gather(*(ones[n % 2].claim("bearer", f"token-{number}", 30) for n in range(6)))
        assert sum(claims) == 1
        await ones[0].put("ticket", f"ticket-{number}", b"content", 30)
        assert await ones[1].take("ticket", f"ticket-{number}") == b"content"


async def test_each_session_is_judged_by_the_clock_of_its_shard(nodes: tuple[Node, Node]) -> None:
    """What one shard says of the time concerns its own sessions; nodes go by one of them among themselves. A read hears
    it anew."""
    one, _ = nodes
    first, second, *_ = await one.on_each_shard()
    clock, ahead_ms = one.store.clock, 10_000_000
    others = {each for each in one.store.shards.all if each is not one.shard(first)}
    before, common = clock.now_ms(second.sid), clock.now_ms()
    one.shard(first).clock.heard(clock.now_ms(first.sid) + ahead_ms)
    assert clock.now_ms(first.sid) - before > ahead_ms / 2
    assert clock.now_ms(second.sid) - before < ahead_ms / 2
    assert (clock.now_ms() - common < ahead_ms / 2) == (one.store.shards.of(keys.NODES) in others)
    assert (await read(one.store, first.sid)).ending is None
    assert clock.now_ms(first.sid) - before < ahead_ms / 2


async def test_a_slot_that_moved_is_followed(place: Place, nodes: tuple[Node, Node]) -> None:
    """The node that knows the old place commits at the new one; who follows the user reads again, nobody else; then
    everything is heard from there. No mode changes."""
    one, two = nodes
    session, other = (await one.on_each_shard())[:2]
    for each in (session, other):
        await two.store.subscribe(user_tag(each.sid))
    await asyncio.to_thread(place.cluster.move, place.slot(session), place.other(session))
    at = await committed(one.store, session, cart={"n": 1})
    await two.ear.until(lambda: two.ear.restored == 1)
    assert two.ear.parts[0].holds(user_tag(session.sid))
    assert not two.ear.parts[0].holds(user_tag(other.sid))
    two.ear.heard.clear()
    at = await committed(one.store, at, cart={"n": 2})
    await committed(one.store, other, cart={"n": 2})
    await two.ear.until(lambda: len(two.ear.heard) == 2)
    assert {heard.sid for heard in two.ear.heard} == {session.sid, other.sid}
    assert two.ear.restored == 1
    assert one.told == two.told == []
    assert (await read(two.store, session.sid)).position == at.position


async def test_while_a_slot_is_on_its_way(place: Place, nodes: tuple[Node, Node]) -> None:
    """A record that has left is read, and touched, where it is (a script that is not known there included). What writes
    several keys waits until all are in one place, and is done then, once."""
    one, two = nodes
    session = await opening(one.store).live()
    slot, target = place.slot(session), place.other(session)
    await two.store.subscribe(user_tag(session.sid))
    source = await asyncio.to_thread(place.cluster.begin_move, slot, target)
    target.ask("SCRIPT", "FLUSH")
    while keys.record(session.sid).encode() not in place.cluster.keys_in(target, slot):
        assert await asyncio.to_thread(place.cluster.move_keys, slot, source, target, 1)
    assert (await read(two.store, session.sid)).position == session.position
    assert await two.store.touch(session, 900_000) is not None
    waiting = asyncio.ensure_future(commit(one.store, session, IdempotencyKey("k", "a", b"b"), cart={"n": 1}))
    ending = asyncio.ensure_future(end(two.store, (await opening(two.store).live()).sid))
    assert await ending == 1
    await asyncio.wait([waiting], timeout=0.3)
    assert not waiting.done()
    await asyncio.to_thread(place.cluster.move_keys, slot, source, target)
    await asyncio.to_thread(place.cluster.end_move, slot, target)
    assert isinstance(await waiting, Done)
    assert (await read(two.store, session.sid)).position.revision == 2
    await two.ear.until(lambda: two.ear.restored == 1)
    await committed(one.store, await read(one.store, session.sid), cart={"n": 2})
    await two.ear.until(
        lambda: any(isinstance(each, HeardChange) and each.position.revision == 3 for each in two.ear.heard)
    )
    assert one.told == two.told == []


async def test_what_stays_on_its_way_is_refused_in_time(place: Place, nodes: tuple[Node, Node]) -> None:
    """After two seconds: 503 for whoever writes it, and no mode for all others. Afterwards it is written."""
    one, _ = nodes
    session = await opening(one.store).live()
    slot, target = place.slot(session), place.other(session)
    source = await asyncio.to_thread(place.cluster.begin_move, slot, target)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(Maintenance):
        await commit(one.store, session, None, cart={"n": 1})
    assert 1.5 < loop.time() - began < 4.0
    assert one.told == []
    await asyncio.to_thread(place.cluster.move_keys, slot, source, target)
    await asyncio.to_thread(place.cluster.end_move, slot, target)
    assert isinstance(await commit(one.store, session, None, cart={"n": 1}), Done)


async def test_a_server_that_serves_nothing_yet_is_asked_too(place: Place, nodes: tuple[Node, Node]) -> None:
    """The first slot on its way to a new server: its records are read there; once it has arrived it is a shard like any
    other. When it has gone away again, so has the shard."""
    one, two = nodes
    session = await opening(one.store).live()
    new, slot = place.cluster.grow(), place.slot(session)
    await two.store.subscribe(user_tag(session.sid))
    source = await asyncio.to_thread(place.cluster.begin_move, slot, new)
    await asyncio.to_thread(place.cluster.move_keys, slot, source, new)
    assert (await read(one.store, session.sid)).position == session.position
    assert len(one.store.shards.all) == 3
    await asyncio.to_thread(place.cluster.end_move, slot, new)
    await committed(one.store, session, cart={"n": 1})
    await two.ear.until(lambda: two.ear.restored == 1)
    assert len(two.store.shards.all) == 4
    await committed(one.store, await read(one.store, session.sid), cart={"n": 2})
    await two.ear.until(lambda: bool(two.ear.heard))
    two.ear.heard.clear()
    await asyncio.to_thread(place.cluster.move, slot, source)
    await committed(one.store, await read(one.store, session.sid), cart={"n": 3})
    await two.ear.until(lambda: two.ear.restored == 2)
    await committed(one.store, await read(one.store, session.sid), cart={"n": 4})
    await two.ear.until(lambda: bool(two.ear.heard))
    assert len(two.store.shards.all) == 3
    assert one.told == two.told == []
