"""The primary dies under load, and sentinels promote a replica: nothing acknowledged is lost, or the loss is seen."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hub.core.json import equal
from tests.faults.lengths import IS_LONG
from tests.support.answers import good, problem
from tests.support.histories import documents, nothing_lost
from tests.support.load import Load, new_key
from tests.support.nodes import Node, cluster
from tests.support.replicated import Replicated, replicated
from tests.support.tabs import MERGE, as_service, as_user, log_in, merge
from tests.support.truth import truth
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600 if IS_LONG else 90)]

FAILOVERS = 20 if IS_LONG else 3
FEED_SECONDS = 6.0
QUIET_SECONDS = 8.0
BACK_SECONDS = 20.0
FROZEN_SECONDS = 10.0 if IS_LONG else 5.0


@asynccontextmanager
async def stage(durability: str) -> AsyncIterator[tuple[Replicated, list[Node], Load]]:
    """Two nodes on a store with two replicas, and callers of both."""
    with cluster() as made:
        async with replicated(made.folder) as store:
            made.store_url = store.url
            nodes = [await asyncio.to_thread(lambda: made.node(HUB_DURABILITY=durability)) for _ in range(2)]
            async with Load(made, nodes, 0.0) as load:
                yield store, nodes, load
            for node in nodes:  # before the store goes, so that they leave in peace
                node.kill()


async def until_more(load: Load, count: int) -> None:
    """Until so many more commits were acknowledged."""
    acknowledged = load.tracks[0].recorded.acknowledged
    goal = len(acknowledged) + count

    async def are_there() -> bool:
        return len(acknowledged) >= goal

    await eventually(are_there, BACK_SECONDS)


async def settle(load: Load) -> list[str]:
    """What does not hold in the end. Tabs and readers may have seen what nobody was promised, and what is gone."""
    for track in load.tracks:
        track.recorded.may_forget = True
    return await load.settle(QUIET_SECONDS)


def writers(load: Load) -> list[Any]:
    """Everybody, on both sessions."""
    living, ending = load.tracks
    return [
        *(load.write_blind(living, number) for number in range(4)),
        *(load.write_matching(living, number) for number in range(4, 6)),
        load.write_from_tab(living, 1),
        *(load.read(living, number) for number in range(2)),
        load.write_blind(ending, 0),
        load.read(ending, 0),
    ]


async def test_nothing_acknowledged_is_lost_when_all_replicas_confirm(row: Callable[[str], Any]) -> None:
    """Failover after failover, under load: every property of the checker holds, and an end stays one."""
    async with stage("replicated:2") as (store, nodes, load):
        living = await load.track("ada", [nodes[0], nodes[1], nodes[1]])
        ending = await load.track("grace", nodes, will_end=True)
        load.until = time.monotonic() + 3600
        callers = asyncio.gather(*writers(load))
        try:
            for number in range(FAILOVERS):
                await until_more(load, 20)
                await store.fail_over()
                if number == 0:
                    await load.end(ending, 0, FEED_SECONDS)
            await until_more(load, 20)
        finally:
            load.until = 0.0
            await callers
        found = await settle(load)
        line = row("failover")
        line.operations, line.injected, line.violations = load.operations, FAILOVERS, len(found)
        assert not found, found[:5]
        assert len(living.recorded.acknowledged) >= 20 * FAILOVERS


async def test_what_replicas_do_not_confirm_is_not_acknowledged(row: Callable[[str], Any]) -> None:
    """The replicas have fallen behind, then one of them is promoted: callers were told 503 ``unconfirmed``, and what
    they send again under the same key is done once, and done for good."""
    async with stage("replicated:2") as (store, nodes, load):
        track = await load.track("ada", nodes)
        load.until = time.monotonic() + 3600
        callers = asyncio.gather(*(load.write_blind(track, number) for number in range(2)))
        path = f"/v1/sessions/{(await log_in(load.cluster, nodes[0], 'linus')).sid}/document"
        headers = {"Content-Type": MERGE, "Idempotency-Key": "one-and-the-same"}
        try:
            async with as_service(nodes[0]) as service:
                await until_more(load, 20)
                behind = await store.fall_behind()
                for _ in range(2):  # new, then a replay
                    answer = await service.patch(path, content=b'{"profile": {"once": 1}}', headers=headers)
                    problem(answer, 503, "unconfirmed")
                await store.fail_over(behind)
                await until_more(load, 20)

                async def is_done() -> bool:  # this node may come back a moment after the other
                    answer = await service.patch(path, content=b'{"profile": {"once": 1}}', headers=headers)
                    return answer.status_code == 200

                await eventually(is_done, BACK_SECONDS)
        finally:
            load.until = 0.0
            await callers
        found = await settle(load)
        line = row("replicas behind")
        line.operations, line.injected, line.violations = load.operations, 1, len(found)
        assert not found, found[:5]
        assert load.retried


async def test_a_loss_with_local_durability_is_seen_by_every_tab(row: Callable[[str], Any]) -> None:
    """Replicas that did not get what was acknowledged are promoted: tabs show what the store has, not what it lost."""
    async with stage("local") as (store, nodes, load):
        track = await load.track("ada", nodes)
        sid = track.opened.sid
        async with as_service(nodes[0]) as service, as_service(nodes[1]) as other:
            kept = good(await merge(service, sid, {"profile": {"kept": 1}}))
            assert all([await copy.until_at(kept["position"], 5) for copy in track.copies])
            await store.until_replicated()
            behind = await store.fall_behind()
            for number in range(5):
                assert await load.commit(track, number, load.ops(key := new_key(number)), key)
            lost = track.recorded.acknowledged[-1].position
            assert all([await copy.until_at(lost, 5) for copy in track.copies])
            await store.fail_over(behind)

            async def are_ready() -> bool:
                return all([(await each.get("/readyz")).status_code == 200 for each in (service, other)])

            await eventually(are_ready, BACK_SECONDS)
            found = await truth(load.cluster, sid, track.recorded.first_position)
            assert found.position == kept["position"]
            assert all([await copy.until_at(found.position, QUIET_SECONDS) for copy in track.copies])
            track.recorded.history = found.history
            assert len(list(nothing_lost(track.recorded))) == 5
            shown = documents(track.recorded)[found.position]
            for copy in track.copies:
                last = [frame.message for frame in copy.story.frames if frame.message["type"] == "snapshot"][-1]
                assert equal(last["document"]["profile"], shown["profile"])
                assert last["reason"] in ("ahead", "fork", "reload")
            for node in nodes:
                async with as_user(node, track.opened) as user:
                    assert equal(good(await user.get("/v1/sessions/me/document")), shown)
            again = good(await merge(other, sid, {"profile": {"again": 1}}))
            assert all([await copy.until_at(again["position"], 5) for copy in track.copies])


async def test_a_primary_that_stands_still_is_replaced_or_waited_for(row: Callable[[str], Any]) -> None:
    """SIGSTOP for longer than sentinels wait; it comes back deposed: nobody is answered from it, nothing is lost."""
    async with stage("replicated:1") as (store, nodes, load):
        await load.track("ada", [nodes[0], nodes[1], nodes[1]])
        ending = await load.track("grace", nodes, will_end=True)
        load.until = time.monotonic() + 3600
        callers = asyncio.gather(*writers(load))
        try:
            await until_more(load, 20)
            old = await asyncio.to_thread(lambda: store.primary)
            old.signal(signal.SIGSTOP)
            await asyncio.sleep(FROZEN_SECONDS)
            old.signal(signal.SIGCONT)
            await until_more(load, 20)
            await load.end(ending, 0, FEED_SECONDS)
        finally:
            load.until = 0.0
            await callers
        found = await settle(load)
        line = row("primary frozen")
        line.operations, line.injected, line.violations = load.operations, 1, len(found)
        assert not found, found[:5]
