"""The answer to a commit is lost on its way: asked again under its key, anywhere, it is the same one commit."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.faults.stage import CRIPPLED
from tests.support.histories import Acknowledged, Recorded, Refused, document_at, violations
from tests.support.load import SEEDS, Load, Track
from tests.support.nodes import SERVICE_KEY, Cluster, Node, cluster
from tests.support.tabs import JSON_PATCH, as_service
from tests.support.truth import store_of, truth
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.one_server]

ROUNDS = 60


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """Nodes of its own: they may be crippled."""
    with cluster() as made:
        yield made


class Rounds:
    """Commits that insist on their position and count one on, each asked at one node, unheard, then at another."""

    def __init__(self, own_cluster: Cluster, nodes: list[Node], track: Track) -> None:
        self.cluster, self.nodes, self.track = own_cluster, nodes, track
        self.at, self.count, self.replayed = track.recorded.first_position, 0, 0
        self.path = f"/v1/sessions/{track.opened.sid}/document"

    async def round(self, number: int, client: httpx.AsyncClient) -> None:
        """One commit. Every second one is asked again at once, the others when it has surely happened."""
        key, recorded = f"round-{number:020}", self.track.recorded
        append = {"op": "add", "path": "/profile/log/-", "value": key}
        body = json.dumps([append, {"op": "replace", "path": "/profile/count", "value": self.count + 1}])
        headers = {"Content-Type": JSON_PATCH, "Idempotency-Key": key, "If-Match": f'"{self.at}"'}
        asked = time.monotonic()
        await self.ask_and_go(self.nodes[number % 2], body, headers, wait=number % 4 < 2)
        answer = await client.patch(self.path, content=body, headers=headers)
        if answer.status_code == 200:
            said = answer.json()
            done = Acknowledged(key, said["base"], said["position"], asked, time.monotonic())
            recorded.acknowledged.append(done)
            self.count += 1
            self.replayed += "Idempotency-Replayed" in answer.headers
            self.at = said["position"]
        else:
            recorded.refused.append(Refused(key, f"{answer.status_code} {answer.json()['code']}"))
            found = await truth(self.cluster, self.track.opened.sid, recorded.first_position)
            self.at = found.position

    async def ask_and_go(self, node: Node, body: str, headers: dict[str, str], *, wait: bool) -> None:
        """Send the request on a connection of its own and cut it without hearing the answer."""
        _, writer = await asyncio.open_connection("127.0.0.1", node.port)
        lines = [f"PATCH {self.path} HTTP/1.1", f"Host: 127.0.0.1:{node.port}", f"Authorization: Bearer {SERVICE_KEY}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", body]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        if wait:
            async with store_of(self.cluster) as store:

                async def has_moved() -> bool:
                    session = await store.read(self.track.opened.sid)
                    return session is not None and str(session.position) != self.at

                await eventually(has_moved)
        writer.transport.abort()


async def play(own_cluster: Cluster, cripples: str) -> tuple[Recorded, list[str], int]:
    """All rounds; what was recorded, what does not hold, how many answers were replayed."""
    nodes = [own_cluster.node(CRIPPLED, CRIPPLES=cripples) for _ in range(2)]
    async with Load(own_cluster, nodes, 0.0) as load:
        track = await load.track("ada", nodes)
        rounds = Rounds(own_cluster, nodes, track)
        async with as_service(nodes[0]) as one, as_service(nodes[1]) as other:
            for number in range(ROUNDS):
                await rounds.round(number, (other, one)[number % 2])
        await load.settle(5.0)
        return track.recorded, violations(track.recorded), rounds.replayed


async def test_a_retry_after_a_lost_answer_is_neither_refused_nor_counted_twice(own_cluster: Cluster) -> None:
    """Every retry is answered 200 although the position it insists on has passed; each commit counts once."""
    recorded, found, replayed = await play(own_cluster, "")
    assert not found, found[:5]
    assert not recorded.refused
    assert replayed >= ROUNDS // 2
    final = document_at(recorded)["profile"]
    assert (final["count"], len(final["log"])) == (ROUNDS, SEEDS + ROUNDS)


async def test_without_the_memory_of_keys_the_checker_objects(own_cluster: Cluster) -> None:
    """Negative control: false 412s."""
    recorded, found, _ = await play(own_cluster, "forgetful")
    assert len(recorded.refused) >= ROUNDS // 2
    assert any("nothing_twice" in fact and "412" in fact for fact in found), found[:5]
