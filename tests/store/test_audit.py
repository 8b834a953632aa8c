"""Verifying: histories as the hub wrote them fit, whatever is going on meanwhile; what is not there is said."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from hub.core.trail import Verdict
from hub.sessions.commit import Commits
from hub.store.audit.reading import Found, Reader, Stored
from hub.store.keyring import Key, KeyRing, Keys
from hub.store.store import Store
from tests.sessions import worlds
from tests.store.conftest import Ear, Member, Place
from tests.support.audits import LENGTH, history, judged, named
from tests.support.sessions import end, read

pytestmark = pytest.mark.contract


@pytest.mark.parametrize("length", [1, 2, LENGTH, 255, 256, 257])
async def test_a_history_as_the_hub_wrote_it_fits(store: Store, reader: Reader, length: int) -> None:
    """Live and ended, at checkpoints and beside them: position, chain and number of entries are told."""
    session = await history(store, length)
    live = await judged(reader, session.sid)
    assert (live.finding, live.state, live.position, live.entries) == (None, "live", session.position, length)
    await end(store, session.sid)
    ended, now = await judged(reader, session.sid), await read(store, session.sid)
    assert (ended.finding, ended.state, ended.position, ended.entries) == (None, "ended", now.position, length + 1)
    assert ended.chain == now.chain


@pytest.mark.parametrize(("length", "first"), [(512, 256), (700, 256), (768, 512)])
async def test_a_trimmed_history_fits_from_its_first_entry_on(
    store: Store, reader: Reader, length: int, first: int
) -> None:
    """What was trimmed is not missing; the checkpoint it begins with names the chain value before it."""
    session = await history(store, length, history_changes=256)
    verdict = await judged(reader, session.sid, history_changes=256)
    assert (verdict.finding, verdict.first_revision) == (None, first)
    await end(store, session.sid)
    assert (await judged(reader, session.sid, history_changes=256)).finding is None


async def test_commits_and_trimming_under_way_are_no_false_alarm(
    members: tuple[Member, Member], reader: Reader
) -> None:
    """A session is verified again and again while two nodes write to it and its head is trimmed away."""
    session = await history(members[0].store, 2)
    nodes = [Commits(member.store, member.store.chain, worlds.sections(), 256) for member in members]

    async def write(commits: Commits, count: int) -> None:
        for number in range(count):
            patch = worlds.merge({"profile": {f"{commits is nodes[0]}{number % 50}": number}})
            await commits.commit(worlds.BILLING, session.sid, patch)

    async def watch(done: asyncio.Task[None]) -> list[Verdict]:
        seen = []
        while not done.done():
            seen.append(await judged(reader, session.sid, history_changes=256))
        return seen

    writing = asyncio.create_task(write(nodes[0], 900))
    verdicts = await watch(writing)
    await writing
    assert [verdict.finding for verdict in verdicts if verdict.finding] == []
    assert len({verdict.position for verdict in verdicts}) > 5
    assert len({verdict.first_revision for verdict in verdicts}) > 1
    await asyncio.gather(*(write(commits, 100) for commits in nodes))
    final = await judged(reader, session.sid, history_changes=256)
    assert (final.finding, final.position and final.position.revision) == (None, 2 + 900 + 200)


class Overtaken(Reader):
    """While it reads its first entry, something happens to the session."""

    def __init__(self, place: Place, happens: Callable[[], Awaitable[None]]) -> None:
        super().__init__(place.url, place.ring)
        self._happens: Callable[[], Awaitable[None]] | None = happens

    async def entries(self, found: Found, after: int = 0, until: int | None = None) -> AsyncIterator[Stored]:
        """The same, after it has happened."""
        async for stored in super().entries(found, after, until):
            if self._happens is not None:
                happens, self._happens = self._happens, None
                await happens()
            yield stored


@pytest.mark.parametrize("commits", [200, 700])
async def test_what_is_trimmed_away_under_the_reader_is_not_missing(place: Place, store: Store, commits: int) -> None:
    """It begins again at what is kept by then: whether a part of what it was reading is gone, or all of it."""
    session = await history(store, 600)

    async def trim() -> None:
        nodes = Commits(store, store.chain, worlds.sections(), 256)
        for number in range(commits):
            await nodes.commit(worlds.BILLING, session.sid, worlds.merge({"profile": {"late": number}}))

    async with Overtaken(place, trim) as reader:
        verdict = await judged(reader, session.sid, history_changes=256)
    assert (verdict.finding, verdict.position and verdict.position.revision) == (None, 600 + commits)
    assert verdict.first_revision == {200: 512, 700: 1024}[commits]


async def test_memory_does_not_grow_with_the_history(store: Store, reader: Reader) -> None:
    """Thousands of entries of some kilobytes are read in bounded batches."""
    session = await history(store, 2500, value="x" * 3000)
    tracemalloc.start()
    try:
        assert (await judged(reader, session.sid)).entries == 2500
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 2**20  # the history has 8 MB


async def test_a_history_may_go_on_under_another_chain_key(place: Place, reader: Reader) -> None:
    """Entries fit under any key of the ring, and under no other."""
    old = place.ring.chain.active
    new = Key("chain", "newone", "active", secrets.token_bytes(32))
    by_kid = {old.kid: dataclasses.replace(old, state="old"), new.kid: new}
    rotated = dataclasses.replace(place.ring, chain=Keys(new, by_kid))
    only_new = dataclasses.replace(place.ring, chain=Keys(new, {new.kid: new}))
    async with _node(place, place.ring) as before, _node(place, rotated) as after:
        session = await history(before)
        commits = Commits(after, after.chain, worlds.sections(), 4096)
        await commits.commit(worlds.BILLING, session.sid, worlds.merge({"profile": {"name": "later"}}))
        await end(after, session.sid)
    async with Reader(place.url, rotated) as both, Reader(place.url, only_new) as one:
        assert (await judged(both, session.sid)).finding is None
        assert named(await judged(one, session.sid)) == (1, "chain")
    assert named(await judged(reader, session.sid)) == (LENGTH + 1, "chain")


@asynccontextmanager
async def _node(place: Place, ring: KeyRing) -> AsyncIterator[Store]:
    """A store with a ring of its own."""
    store = Store(place.url, ring, secrets.token_hex(4))
    await store.start(Ear())
    try:
        yield store
    finally:
        await store.stop()
