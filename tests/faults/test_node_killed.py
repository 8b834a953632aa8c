"""A node dies with ``kill -9``: its tabs go on elsewhere with exactly what they missed; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import time
import uuid

import httpx
import pytest

from tests.support.answers import good
from tests.support.histories import Acknowledged, Recorded, Seen, check, document_at
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Opened, Tab, as_service, as_user, log_in, merge, open_tab, resume_tab

pytestmark = pytest.mark.faults

SECONDS = 4.0
WRITERS = 6


async def test_a_tab_of_a_killed_node_resumes_with_what_it_missed(hub_cluster: Cluster, node: Node) -> None:
    """The changes made meanwhile, in order, then ``live``; no snapshot."""
    dying = hub_cluster.node()
    opened = await log_in(hub_cluster, node)
    tab = await (await open_tab(dying, opened.token)).until_live()
    async with as_service(node) as service:
        good(await merge(service, opened.sid, {"profile": {"n": 0}}))
        await tab.until(lambda tab: tab.position.startswith("2."))
        dying.kill()
        await tab.until_closed()
        assert "ended" not in tab.types
        missed = [good(await merge(service, opened.sid, {"profile": {"n": n}})) for n in range(1, 6)]
        async with await (await resume_tab(node, opened.token, tab)).until_live() as again:
            assert again.types == ["change"] * 5 + ["live"]
            assert [frame["position"] for frame in again.frames[:5]] == [each["position"] for each in missed]
            assert again.document["profile"] == {"n": 5}


class Load:
    """Writers, readers and tabs on one session, through two nodes; all that they saw."""

    def __init__(self, nodes: list[Node], opened: Opened, first: Tab) -> None:
        self.nodes, self.opened = nodes, opened
        self.recorded = Recorded(first.position, first.document)
        self.until = time.monotonic() + SECONDS
        self.retried = 0

    def _node(self) -> Node:
        return next(node for node in self.nodes if node.process.poll() is None)

    async def write(self, number: int) -> None:
        """Commit again and again; what got no answer is asked again under its key, at a node that lives."""
        node, count = self.nodes[number % 2], 0
        while time.monotonic() < self.until:
            key, count = uuid.uuid4().hex, count + 1
            asked = time.monotonic()
            while True:
                try:
                    async with as_service(node) as client:
                        patch = {"profile": {f"w{number}-{count}": key}}
                        answer = await merge(client, self.opened.sid, patch, **{"Idempotency-Key": key})
                except httpx.TransportError:
                    self.retried += 1
                    node = self._node()
                    continue
                if answer.status_code == 200:
                    break
                assert answer.status_code in (409, 503), answer.text
            said = good(answer)
            acknowledged = Acknowledged(key, said["base"], said["position"], asked, time.monotonic())
            self.recorded.acknowledged.append(acknowledged)

    async def read(self) -> None:
        """Read again and again."""
        while time.monotonic() < self.until:
            began = time.monotonic()
            try:
                async with as_user(self._node(), self.opened) as client:
                    position = good(await client.get("/v1/sessions/me"))["position"]
            except httpx.TransportError:
                continue
            self.recorded.reads.append(Seen(position, began))

    async def history(self) -> None:
        """Fetch what the hub says happened."""
        at = self.recorded.first_position
        async with as_user(self._node(), self.opened) as client:
            while page := good(await client.get(f"/v1/sessions/me/changes?since={at}"))["changes"]:
                self.recorded.history += page
                at = page[-1]["position"]


async def test_commits_under_load_fit_one_history_although_a_node_is_killed(hub_cluster: Cluster, node: Node) -> None:
    """One history, nothing lost, nothing twice, reads that see what was acknowledged, copies that converge."""
    dying = hub_cluster.node()
    opened = await log_in(hub_cluster, node)
    stays = await (await open_tab(node, opened.token)).until_live()
    moves = await (await open_tab(dying, opened.token)).until_live()
    load = Load([dying, node], opened, stays)

    async def kill() -> None:
        await stays.until(lambda tab: len(tab.frames) > 40, SECONDS)
        dying.kill()

    await asyncio.gather(kill(), load.read(), load.read(), *(load.write(number) for number in range(WRITERS)))
    await moves.until_closed()
    await load.history()
    check(load.recorded)
    assert load.retried
    assert len(load.recorded.acknowledged) > 50
    final, document = load.recorded.history[-1]["position"], document_at(load.recorded)
    async with await (await resume_tab(node, opened.token, moves)).until_live() as moved, stays:
        for tab in (stays, moved):
            await tab.until(lambda tab: tab.position == final)
            assert tab.document == document
        assert stays.types.count("snapshot") == 1
    async with as_user(node, opened) as client:
        assert good(await client.get("/v1/sessions/me/document")) == document
