"""Stores on a real server, private to this folder: nodes of one ring, and the server looked at from outside."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from hub.core.ports import Heard, Part
from hub.core.session import Session
from hub.store.audit.reading import Reader
from hub.store.keyring import KeyRing
from hub.store.store import Store
from tests.support.sessions import opening
from tests.support.stores import test_store

SECONDS = 8.0


@dataclass
class Place:
    """A running store and a key ring. ``url`` is where nodes find it, ``direct`` its server."""

    url: str
    direct: str
    ring: KeyRing
    folder: Path

    def outside(self) -> Any:
        """The server, as somebody who can write to it sees it."""
        return self._outside

    def __post_init__(self) -> None:
        self._outside = Redis.from_url(self.direct)

    def close(self) -> None:
        """Look no more."""
        self._outside.close()


class Ear:
    """A follower that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.restored = 0
        self.parts: list[Part] = []
        self._news = asyncio.Event()

    def on_heard(self, heard: Heard) -> None:
        """A message."""
        self.heard.append(heard)
        self._news.set()

    def on_feed_restored(self, part: Part) -> None:
        """The feed was lost and is back."""
        self.restored += 1
        self.parts.append(part)
        self._news.set()

    async def until(self, fact: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Wait for a fact about what was told."""
        async with asyncio.timeout(seconds):
            while not fact():
                self._news.clear()
                await self._news.wait()


@dataclass
class Member:
    """One node's store, and its ear."""

    store: Store
    ear: Ear = field(default_factory=Ear)


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """One server for all tests of this folder that break nothing."""
    folder = Path(tempfile.mkdtemp(prefix="hub-store-"))
    server = test_store(folder)
    url, ring = server.start(), folder / "keys.toml"
    KeyRing.create(ring)
    made = Place(server.url_for_hubs(url), url, KeyRing.load(ring), folder)
    try:
        yield made
    finally:
        made.close()
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster_place() -> Iterator[Any]:
    """One cluster for all tests of this folder that leave it as it was (``clusters.Place``)."""
    from tests.store.clusters import cluster_place

    with cluster_place() as made:
        yield made


@pytest.fixture
async def members(place: Place) -> AsyncIterator[tuple[Member, Member]]:
    """Two nodes on one server."""
    async with AsyncExitStack() as stack:
        made = [Member(Store(place.url, place.ring, name)) for name in ("one", "two")]
        for member in made:
            await member.store.start(member.ear)
            stack.push_async_callback(member.store.stop)
        yield made[0], made[1]


@pytest.fixture
async def store(members: tuple[Member, Member]) -> Store:
    """The first node's store."""
    return members[0].store


@pytest.fixture
async def session(store: Store) -> Session:
    """A session of a new user."""
    return await opening(store).live()


@pytest.fixture
async def reader(place: Place) -> AsyncIterator[Reader]:
    """Somebody who reads the store with the ring."""
    async with Reader(place.url, place.ring) as made:
        yield made
