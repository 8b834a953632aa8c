"""Commits through two nodes on the real store: one chain, nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from hub.core.ports import Heard, Part
from hub.core.session import Session
from hub.errors import PositionMismatch, SessionEnded
from hub.sessions.commit import Commits
from hub.store.keyring import KeyRing
from hub.store.store import Store
from tests.sessions.test_commit_races import check_one_history
from tests.sessions.worlds import BILLING, merge, name, ops, sections
from tests.support.sessions import end, opening, read
from tests.support.stores import test_store

pytestmark = pytest.mark.contract
Nodes = tuple[Commits, Commits]


class Deaf:
    """A follower that is not interested."""

    def on_heard(self, heard: Heard) -> None:
        """Nothing to do."""

    def on_feed_restored(self, part: Part) -> None:
        """Nothing to do."""


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, KeyRing]]:
    """A server and a ring."""
    folder = Path(tempfile.mkdtemp(prefix="hub-commits-"))
    server = test_store(folder)
    try:
        url = server.start()
        KeyRing.create(folder / "keys.toml")
        yield server.url_for_hubs(url), KeyRing.load(folder / "keys.toml")
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def stores(place: tuple[str, KeyRing]) -> AsyncIterator[list[Store]]:
    """Two nodes' stores."""
    async with AsyncExitStack() as stack:
        made = [Store(*place, node) for node in ("one", "two")]
        for store in made:
            await store.start(Deaf())
            stack.push_async_callback(store.stop)
        yield made


@pytest.fixture
def nodes(stores: list[Store]) -> Nodes:
    """Their commits."""
    one, two = (Commits(store, store.chain, sections(), 1000) for store in stores)
    return one, two


@pytest.fixture
async def session(stores: list[Store]) -> Session:
    """A session of a new user."""
    return await opening(stores[0], document={"profile": {"name": "Ada", "list": []}}).live()


async def test_a_hundred_commits_at_once_make_one_chain(nodes: Nodes, stores: list[Store], session: Session) -> None:
    """Consecutive positions, every commit once, and a history whose chain can be walked."""
    wanted = [ops({"op": "add", "path": "/profile/list/-", "value": n}) for n in range(100)]
    done = await asyncio.gather(*(nodes[n % 2].commit(BILLING, session.sid, each) for n, each in enumerate(wanted)))
    check_one_history(done, first=1)
    now = await read(stores[1], session.sid)
    assert sorted(now.document["profile"]["list"]) == list(range(100))
    history = await stores[0].changes(now, session.position, 256)
    assert [str(each.position) for each in history.changes] == [
        str(each.position) for each in sorted(done, key=lambda each: each.position.revision)
    ]
    assert history.changes[-1].position == now.position


async def test_a_key_used_on_both_nodes_at_once_is_one_change(
    nodes: Nodes, stores: list[Store], session: Session
) -> None:
    """Nothing twice; a replay comes before If-Match, also after the session ended."""
    wanted = ops({"op": "add", "path": "/profile/list/-", "value": 1}, key="same", at=session.position)
    done = await asyncio.gather(*(nodes[n % 2].commit(BILLING, session.sid, wanted) for n in range(8)))
    assert len({each.position for each in done}) == 1
    assert (await read(stores[0], session.sid)).document["profile"]["list"] == [1]
    await end(stores[0], session.sid)
    late = await nodes[1].commit(BILLING, session.sid, wanted)
    assert (late.replayed, late.position) == (True, done[0].position)


async def test_what_changes_nothing_is_remembered_and_writes_nothing(
    nodes: Nodes, stores: list[Store], session: Session
) -> None:
    """The same answer from the other node, though the name has changed since."""
    same = name("Ada", key="same")
    first = await nodes[0].commit(BILLING, session.sid, same)
    assert (first.changed, first.position) == (False, session.position)
    await nodes[1].commit(BILLING, session.sid, name("Grace"))
    again = await nodes[1].commit(BILLING, session.sid, same)
    assert (again.changed, again.position, again.replayed) == (False, session.position, True)
    assert (await read(stores[0], session.sid)).position.revision == 2


async def test_a_mismatch_names_what_changed(nodes: Nodes, session: Session) -> None:
    """On the node whose guess is stale as well."""
    await nodes[0].commit(BILLING, session.sid, merge({"cart": [1]}))
    last = await nodes[1].commit(BILLING, session.sid, name("Grace"))
    for commits in nodes:
        with pytest.raises(PositionMismatch) as caught:
            await commits.commit(BILLING, session.sid, name("x", at=session.position))
        assert caught.value.facts == {"current": str(last.position), "changed_sections": ["cart", "profile"]}


async def test_no_commit_succeeds_after_the_end(nodes: Nodes, stores: list[Store], session: Session) -> None:
    """Whatever a node still believes."""
    await nodes[0].commit(BILLING, session.sid, name("a"))
    await end(stores[1], session.sid)
    for commits in nodes:
        with pytest.raises(SessionEnded):
            await commits.commit(BILLING, session.sid, name("b"))
    over = await read(stores[0], session.sid)
    assert over.ending is not None
    assert over.document == {}
