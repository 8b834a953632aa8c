"""A store is put back to an older state under running nodes: nobody goes on showing what the store has lost."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import pytest

from hub.core.json import equal
from tests.faults.stage import CRIPPLED
from tests.support.answers import good
from tests.support.histories import Recorded, documents
from tests.support.load import Load, Track
from tests.support.nodes import Cluster, Node, cluster
from tests.support.stores import kill
from tests.support.tabs import as_service, as_user, merge
from tests.support.truth import truth
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

BACK_SECONDS = 12.0
QUIET_SECONDS = 4.0


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A store to roll back."""
    with cluster() as made:
        yield made


class Rollback:
    """The store's files as they were, to be put back."""

    def __init__(self, own_cluster: Cluster) -> None:
        self._store = own_cluster.store
        self._files = own_cluster.folder / "store" / "appendonlydir"
        self._kept = own_cluster.folder / "kept"
        shutil.copytree(self._files, self._kept)

    def put_back(self) -> None:
        """Kill the store, and start it on what was kept. On the calling thread: the store dies with it."""
        kill(self._store)
        shutil.rmtree(self._files)
        shutil.copytree(self._kept, self._files)
        self._store.start()


async def roll_back(own_cluster: Cluster, nodes: list[Node], load: Load, *, more: int) -> tuple[Track, float]:
    """Two tabs follow commits that are then taken back; ``more`` others follow. When the store was back."""
    track = await load.track("ada", nodes)
    sid = track.opened.sid
    async with as_service(nodes[0]) as service, as_service(nodes[1]) as other:
        for number in range(3):
            good(await merge(service, sid, {"profile": {"n": number}}))
        kept = Rollback(own_cluster)
        for number in range(5):
            lost = good(await merge(service, sid, {"profile": {"lost": number}}))
        assert all([await copy.until_at(lost["position"], 5) for copy in track.copies])
        kept.put_back()
        back = time.monotonic()

        async def are_ready() -> bool:
            return all([(await each.get("/readyz")).status_code == 200 for each in (service, other)])

        await eventually(are_ready, BACK_SECONDS)
        for number in range(more):
            good(await merge((service, other)[number % 2], sid, {"profile": {"again": number}}))
    return track, back


def shown_as_current(recorded: Recorded, since: float) -> list[str]:
    """Where tabs stood when they were told, since then, that they are current: by ``live``, or by a mode that is."""
    places = []
    for story in recorded.stories:
        at = ""
        for frame in story.frames:
            at = frame.message.get("position", at)
            if frame.at > since and "live" in (frame.message["type"], frame.message.get("mode")):
                places.append(at)
    return places


@pytest.mark.parametrize("more", [0, 2, 5, 8], ids=["ahead", "still-ahead", "same-revision", "overtaken"])
async def test_every_tab_ends_equal_to_a_store_that_was_rolled_back(own_cluster: Cluster, more: int) -> None:
    """Whether the store is behind the tabs, at the same number or past it: they take what it has, as current
    nothing else, and the next commit goes on from there."""
    nodes = [own_cluster.node(), own_cluster.node()]
    async with Load(own_cluster, nodes, 0.0) as load:
        track, back = await roll_back(own_cluster, nodes, load, more=more)
        found = await truth(own_cluster, track.opened.sid, track.recorded.first_position)
        assert all([await copy.until_at(found.position, QUIET_SECONDS) for copy in track.copies])
        track.recorded.history = found.history
        known = documents(track.recorded)
        places = shown_as_current(track.recorded, back)
        assert len(places) >= len(nodes)
        assert set(places) <= known.keys()
        shown = known[found.position]
        assert "lost" not in shown["profile"]
        for node in nodes:
            async with as_user(node, track.opened) as user:
                answer = await user.get("/v1/sessions/me/document")
                assert equal(good(answer), shown)
                assert answer.headers["ETag"] == f'"{found.position}"'
        for copy in track.copies:
            last = [frame.message for frame in copy.story.frames if frame.message["type"] == "snapshot"][-1]
            assert "lost" not in last["document"]["profile"]
            assert last["reason"] in ("ahead", "fork", "compacted", "reload")


async def test_without_reloading_after_a_lost_feed_tabs_keep_what_the_store_lost(own_cluster: Cluster) -> None:
    """Negative control."""
    nodes = [own_cluster.node(CRIPPLED, CRIPPLES="deaf,unchecked") for _ in range(2)]
    async with Load(own_cluster, nodes, 0.0) as load:
        track, _ = await roll_back(own_cluster, nodes, load, more=0)
        found = await truth(own_cluster, track.opened.sid, track.recorded.first_position)
        assert not any([await copy.until_at(found.position, 1.5) for copy in track.copies])
