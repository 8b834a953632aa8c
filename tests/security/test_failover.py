"""Threats from a store that fails over: what was ended stays ended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node, cluster
from tests.support.replicated import Replicated, replicated
from tests.support.tabs import Opened, as_service, as_user, log_in

pytestmark = [pytest.mark.faults, pytest.mark.timeout(90)]

BACK_SECONDS = 20.0


@asynccontextmanager
async def place() -> AsyncIterator[tuple[Replicated, Cluster, Node]]:
    """A node on a store with two replicas."""
    with cluster() as made:
        async with replicated(made.folder) as store:
            node = await asyncio.to_thread(lambda: made.node(HUB_STORE_URL=store.url))
            yield store, made, node
            node.kill()


async def until_answered(node: Node, opened: Opened) -> None:
    """The dead session is refused as over by the first answer that is none of 503; nothing before it says it lives."""
    deadline = time.monotonic() + BACK_SECONDS
    async with as_user(node, opened) as user:
        while (answer := await user.get("/v1/sessions/me/document")).status_code == 503:
            assert time.monotonic() < deadline
    assert problem(answer, 401, "session_ended")["reason"] == "revoked"


async def test_31_an_end_is_confirmed_by_replicas_before_it_is_acknowledged() -> None:
    """Replicas that stand still hold the answer up; once it is given, with ``all``, any of them may be promoted, and
    another node than the one that ended the session finds it over."""
    async with place() as (store, made, node):
        opened, other = await log_in(made, node), await asyncio.to_thread(lambda: made.node(HUB_STORE_URL=store.url))
        replicas = await asyncio.to_thread(store.replicas)
        async with as_service(node) as service:
            for replica in replicas:
                replica.signal(signal.SIGSTOP)
            ending = asyncio.ensure_future(service.delete(f"/v1/sessions/{opened.sid}"))
            await asyncio.wait([ending], timeout=0.5)
            is_early = ending.done()
            for replica in replicas:
                replica.signal(signal.SIGCONT)
            answer = await ending
        good(answer, 204)
        assert not is_early
        assert answer.headers["X-Hub-Confirmed"] == "all"
        node.kill()  # what it remembers is of no help
        await store.fail_over()
        await until_answered(other, opened)
        other.kill()


async def test_31_an_end_that_a_promoted_replica_never_heard_of_is_made_again() -> None:
    """It was acknowledged with ``none``, and lost: before the node answers anything again, it has ended it again, and
    nothing that was opened since."""
    async with place() as (store, made, node):
        opened, also = await log_in(made, node), await log_in(made, node)
        spared = await log_in(made, node, "grace")
        await store.until_replicated()
        behind = await store.fall_behind()
        async with as_service(node) as service:
            for each in (opened, also):  # by the second one it is known that there is no replica left to ask
                answer = await service.delete(f"/v1/sessions/{each.sid}")
                good(answer, 204)
                assert answer.headers["X-Hub-Confirmed"] == "none"
        await store.fail_over(behind)
        await until_answered(node, opened)
        await until_answered(node, also)
        async with as_user(node, spared) as user:
            good(await user.get("/v1/sessions/me/document"))
