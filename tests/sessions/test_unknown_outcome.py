"""A commit whose answer never came is looked for in the history: it happened once, or the caller is told so."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.core.ports import Heard, Part
from hub.errors import Unconfirmed
from hub.sessions.commit import Commits
from hub.store.keyring import KeyRing
from hub.store.store import Store
from tests.sessions.worlds import BILLING, merge, sections
from tests.support.sessions import opening, read
from tests.support.store_proxy import StoreProxy
from tests.support.stores import test_store
from tests.support.waiting import eventually

pytestmark = [pytest.mark.contract, pytest.mark.one_server]


class Deaf:
    """A follower that is not interested."""

    def on_heard(self, heard: Heard) -> None:
        """Nothing to do."""

    def on_feed_restored(self, part: Part) -> None:
        """Nothing to do."""


@dataclass
class Wired:
    """A node behind a wire that can be made to fail, and another one beside it."""

    wire: StoreProxy
    store: Store
    beside: Store

    async def lose_the_answer(self) -> None:
        """Swallow the answer to the next commit; once it was made, cut the wire."""
        self.wire.lose_the_next_commit = True

        async def is_made() -> bool:
            return self.wire.lost_commits == 1

        await eventually(is_made)


@pytest.fixture
async def wired() -> AsyncIterator[Wired]:
    """A server of its own."""
    folder = Path(tempfile.mkdtemp(prefix="hub-wire-"))
    server = test_store(folder)
    url = server.start()
    KeyRing.create(folder / "keys.toml")
    ring = KeyRing.load(folder / "keys.toml")
    try:
        async with StoreProxy(folder, url) as wire:
            stores = Store(wire.url, ring, "wired"), Store(server.url_for_hubs(url), ring, "beside")
            for store in stores:
                await store.start(Deaf())
            yield Wired(wire, *stores)
            for store in stores:
                await store.stop()
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_commit_that_happened_is_answered_as_done(wired: Wired) -> None:
    """Without any idempotency key: the chain in the history is the one that was computed. It counts once."""
    session = await opening(wired.store).live()
    commits = Commits(wired.store, wired.store.chain, sections(), 1000)
    losing = asyncio.create_task(wired.lose_the_answer())
    asking = asyncio.create_task(commits.commit(BILLING, session.sid, merge({"profile": {"name": "Grace"}})))
    await losing
    wired.wire.cut()
    done = await asking
    assert (done.changed, done.base) == (True, session.position)
    now = await read(wired.beside, session.sid)
    assert (now.position, now.document["profile"]["name"]) == (done.position, "Grace")


async def test_while_the_store_stays_away_the_outcome_is_unconfirmed(wired: Wired) -> None:
    """503 within seconds, and never a second try that might count twice."""
    session = await opening(wired.store).live()
    commits = Commits(wired.store, wired.store.chain, sections(), 1000)
    losing = asyncio.create_task(wired.lose_the_answer())
    asking = asyncio.create_task(commits.commit(BILLING, session.sid, merge({"profile": {"name": "Grace"}})))
    await losing
    with pytest.raises(Unconfirmed):  # the wire is silent: no answer to the commit, and none to the question
        await asyncio.wait_for(asking, 10)
    wired.wire.cut()
    now = await read(wired.beside, session.sid)
    assert now.position.revision == session.position.revision + 1
