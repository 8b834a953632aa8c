"""Nodes' stores on a real cluster, for the tests of this folder."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hub.core.mode import Mode
from hub.core.ports import Part
from hub.core.session import Session, user_tag
from hub.store import keys
from hub.store.keyring import KeyRing
from hub.store.shard import Shard
from hub.store.slots import slot_of
from hub.store.store import Store
from tests.store.conftest import Member
from tests.support import clustered
from tests.support.clustered import Clustered
from tests.support.sessions import opening


@dataclass
class Place:
    """A cluster and a ring."""

    cluster: Clustered
    ring: KeyRing

    def slot(self, session: Session) -> int:
        """Where a session is."""
        return slot_of(keys.record(session.sid))

    def owner(self, session: Session) -> clustered.Member:
        """The primary that has it."""
        return self.cluster.owner(self.slot(session))

    def other(self, session: Session) -> clustered.Member:
        """A primary that does not have it."""
        owner = self.owner(session)
        return next(each for each in self.cluster.owners() if each is not owner)

    @asynccontextmanager
    async def node(self, name: str, durability: str = "local") -> AsyncIterator[Node]:
        """A node's store, started."""
        made = Node(Store(self.cluster.url, self.ring, name, durability=durability))
        made.store.watching.listeners.append(lambda mode, part: made.told.append((mode, part)))
        await made.store.start(made.ear)
        try:
            yield made
        finally:
            await made.store.stop()


@dataclass
class Node(Member):
    """One node's store; it writes down what modes it was told, and of whom."""

    told: list[tuple[Mode, Part]] = field(default_factory=list)

    def modes_of(self, session: Session) -> list[Mode]:
        """What was told of this one."""
        return [mode for mode, part in self.told if part.holds(user_tag(session.sid))]

    def shard(self, session: Session) -> Shard:
        """Where it believes a session to be."""
        found = self.store.shards.of_sid(session.sid)
        assert found is not None
        return found

    def has_nodes(self, session: Session) -> bool:
        """Whether it is in the shard in which the nodes that live are written down."""
        return self.store.shards.of(keys.NODES) is self.shard(session)

    async def on_each_shard(self) -> list[Session]:
        """One live session in each shard."""
        found = dict[int, Session]()
        while len(found) < len(self.store.shards.all):
            session = await opening(self.store).live()
            found.setdefault(id(self.shard(session)), session)
        return list(found.values())


@contextmanager
def cluster_place(*lines: str, replicas: int = 1) -> Iterator[Place]:
    """A cluster with these lines in its configuration, and a ring."""
    with tempfile.TemporaryDirectory(prefix="hub-cluster-") as name:
        folder = Path(name)
        KeyRing.create(folder / "keys.toml")
        made = Clustered(folder, replicas, lines)
        try:
            made.start()
            yield Place(made, KeyRing.load(folder / "keys.toml"))
        finally:
            made.stop()
