"""Those who look at all of a store look at every shard: the audit trail, the keys at rest, the doctor."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from hub.core.finding import Finding
from hub.errors import Maintenance
from hub.store.audit import reading
from hub.store.audit.reading import Reader
from hub.store.audit.verifying import Verifier
from hub.store.connecting import StoreTls
from hub.store.examining import examine
from hub.store.examining_cluster import judge_clocks
from hub.store.keyring.at_rest import AtRest
from tests.store.clusters import Node, Place
from tests.support.sessions import committed, end
from tests.support.waiting import eventually

pytestmark = [pytest.mark.contract, pytest.mark.timeout(60)]

TLS = StoreTls()


@pytest.fixture
def place(cluster_place: Place) -> Place:
    """The one of this folder."""
    return cluster_place


@pytest.fixture
async def node(place: Place) -> AsyncIterator[Node]:
    """A node's store."""
    async with place.node("one") as made:
        yield made


async def look(place: Place, durability: str = "local") -> dict[str, Finding]:
    """What the doctor finds, by name; the last of each."""
    return {each.name: each for each in await examine(place.cluster.url, TLS, durability)}


async def test_the_audit_trail_of_every_shard_is_read(place: Place, node: Node) -> None:
    """All sessions are listed, and verify, each by the clock of its shard."""
    sessions = await node.on_each_shard()
    for session in sessions:
        await committed(node.store, session, cart={"n": 1})
    await end(node.store, sessions[0].sid)
    async with Reader(place.cluster.url, place.ring) as reader:
        assert {each.sid for each in sessions} <= set(await reader.sids())
        verifier = Verifier(reader, history_changes=4096, retention_ms=60_000)
        verdicts = [await verifier.verify(each.sid, ()) for each in sessions]
        assert [verdict.finding for verdict in verdicts] == [None] * 3
        assert [verdict.state for verdict in verdicts] == ["ended", "live", "live"]


async def test_while_slots_are_on_their_way_nobody_says_that_was_all(
    place: Place, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key may have gone from a shard not yet walked to one that was. Once all has arrived, all is found."""
    monkeypatch.setattr(reading, "WALK_AGAIN_SECONDS", 0.05)
    session = (await node.on_each_shard())[0]
    slot, target = place.slot(session), place.other(session)
    source = await asyncio.to_thread(place.cluster.begin_move, slot, target)
    async with Reader(place.cluster.url, place.ring) as reader:
        with pytest.raises(Maintenance, match="on their way"):
            await reader.sids()
        found = await look(place)
        assert (found["cluster moves"].state, str(slot) in found["cluster moves"].said) == ("warn", True)
        await asyncio.to_thread(place.cluster.move_keys, slot, source, target)
        await asyncio.to_thread(place.cluster.end_move, slot, target)
        assert session.sid in await reader.sids()


async def test_keys_at_rest_of_every_shard(place: Place, node: Node) -> None:
    """Rows of all sessions, nodes wherever they are written down, and resealing reaches every record."""
    sessions = await node.on_each_shard()
    async with AtRest(place.cluster.url, place.ring) as at_rest:
        rows = {row.sid async for some in at_rest.rows() for row in some}
        assert {each.sid for each in sessions} <= rows
        assert "one" in await at_rest.nodes()
        *_, last = [at async for at in at_rest.reseal()]
        assert last.seen >= len(rows)
        assert (last.unreadable, last.already) == ([], last.seen)
        assert await at_rest.count() >= len(rows)


async def test_the_doctor_finds_nothing_wrong_with_a_good_cluster(place: Place) -> None:
    """What is the same of all shards is said once; nothing is left behind."""
    found = await examine(place.cluster.url, TLS)
    assert {each.state for each in found} == {"ok"}, [each for each in found if each.state != "ok"]
    names = [each.name for each in found]
    assert names[:2] == ["store", "cluster slots"]
    assert {"store commands", "store scripts", "store feed", "cluster clocks", "store version"} <= set(names)
    assert names.count("store version") == names.count("store eviction") == 1
    assert "3 shards" in found[0].said
    for server in place.cluster.servers:
        if server.is_primary:
            left = server.ask("KEYS", "*doctor*")
            assert left == []


async def test_the_doctor_looks_at_each_shard(place: Place) -> None:
    """One that would throw sessions away, one that stands still, and clocks that are apart."""
    first, second, *_ = place.cluster.owners()
    first.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        lines = [each for each in await examine(place.cluster.url, TLS) if each.name == "store eviction"]
        assert sorted(each.state for each in lines) == ["failed", "ok", "ok"]
        assert f"127.0.0.1:{first.port}: " in next(each.said for each in lines if each.state == "failed")
    finally:
        first.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    stopped = [second, *place.cluster.replicas_of(second)]
    for server in stopped:
        server.signal(signal.SIGSTOP)
    try:
        found = await look(place)
        assert found["store shard"].state == "failed"
        assert f":{second.port}" in found["store shard"].said
        assert found["store commands"].state == "ok"
    finally:
        for server in stopped:
            server.signal(signal.SIGCONT)
        await eventually(lambda: asyncio.to_thread(place.cluster.is_whole), 15.0)
    assert [judge_clocks(each).state for each in ([0.1, -0.1], [0.0, 2.5], [])] == ["ok", "warn", "ok"]
