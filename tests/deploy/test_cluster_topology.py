"""The site of ``deploy/compose/cluster.yml``, from its own files: the primary that holds a person's session is
replaced, on purpose or (``FAULTS=long``) because it was killed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.crc import key_slot

from hub.store import keys
from tests.deploy.composed import Front
from tests.deploy.many_servers import ManyServers
from tests.deploy.visitors import Person, asking, has, names_in_the_history, visiting
from tests.faults.lengths import IS_LONG
from tests.support.waiting import becomes, eventually

pytestmark = [pytest.mark.proxies, pytest.mark.redis_server]

PATIENCE_SECONDS = 50.0  # of somebody who asks again and again while there is no primary, or no replica beside it


@pytest.fixture(scope="module")
def front(cluster: ManyServers) -> Front:
    """Two nodes behind nginx, and all but two apps."""
    for name in ("idp", "desk"):
        cluster.start(name)
    for name in ("hub-1", "hub-2"):
        cluster.node(name)
    return cluster.front()


async def moved(cluster: ManyServers, primary: str) -> None:
    """On purpose, as an operator does it."""
    assert cluster.ask(replica_of(cluster, primary), "CLUSTER", "FAILOVER") == b"OK"


async def killed(cluster: ManyServers, primary: str) -> None:
    """``kill -9``, and started again at once as its container is; which then waits for ten seconds."""
    cluster.kill(primary)
    await asyncio.to_thread(cluster.start, primary)


@pytest.mark.parametrize("happens", [moved, killed] if IS_LONG else [moved])
async def test_the_primary_of_a_session_is_replaced_and_nothing_that_was_acknowledged_is_lost(
    cluster: ManyServers, front: Front, happens: Callable[[ManyServers, str], Awaitable[None]]
) -> None:
    """While a person edits: its replica takes its place, it becomes the replica, each acknowledged commit is in the
    history once, and nobody was signed out."""
    async with visiting(front) as (ada, tab):
        assert tab.tab is not None
        began, old = tab.tab.position, await holder(cluster, ada)
        async with asking(ada, PATIENCE_SECONDS) as made:
            await eventually(lambda: has(made, 20), 10)
            await happens(cluster, old)
            assert await asyncio.to_thread(becomes, lambda: cluster.role(old)[0] == b"slave", 20)
            enough = len(made.acknowledged) + 20
            await eventually(lambda: has(made, enough), PATIENCE_SECONDS)
        assert await holder(cluster, ada) != old
        assert set(made.statuses) <= {200, 503}
        assert await names_in_the_history(ada, began) == made.acknowledged
        await tab.until(made.acknowledged[-1], 10)


def replica_of(cluster: ManyServers, primary: str) -> str:
    """The one that follows it."""
    return next(name for name in cluster.servers if cluster.role(name)[1:2] == [cluster.address(primary).encode()])


async def holder(cluster: ManyServers, person: Person) -> str:
    """The primary of the person's session, as a server of the cluster says it."""
    sid = (await person.client.get("/v1/sessions/me")).json()["sid"]
    slot = key_slot(keys.record(sid).encode())
    said = await asyncio.to_thread(cluster.ask, "valkey-6", "CLUSTER", "SLOTS")
    return next(cluster.called(share[2][0].decode()) for share in said if share[0] <= slot <= share[1])
