"""What the store itself says of a session, read past every node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hub.core.position import Position
from hub.core.session import Session
from hub.store.keyring import KeyRing
from hub.store.store import Store
from tests.support.nodes import Cluster

ALL = 1_000_000


@dataclass(frozen=True)
class Truth:
    """A session, and its history after some position as ``{kind, base, position, ops, at}``."""

    session: Session
    history: list[dict[str, Any]]

    @property
    def position(self) -> str:
        """Where it stands."""
        return str(self.session.position)


@asynccontextmanager
async def store_of(cluster: Cluster) -> AsyncIterator[Store]:
    """The store, as no node: it listens to nothing and keeps no house."""
    store = Store(cluster.url_for_hubs, KeyRing.load(cluster.ring), "truth")
    await store.shards.find()
    try:
        yield store
    finally:
        await store.shards.close()


async def truth(cluster: Cluster, sid: str, since: str) -> Truth:
    """All of it; the session must be there and ``since`` in its history."""
    async with store_of(cluster) as store:
        return await truth_in(store, sid, since)


async def truth_in(store: Store, sid: str, since: str) -> Truth:
    """The same, asked of a store that is open already."""
    session = await store.read(sid)
    assert session is not None, f"{sid} is gone"
    found = await store.changes(session, Position.parse(since), ALL)
    assert found.why_not is None, f"{since} is not in the store's history: {found.why_not}"
    history = [
        {"kind": each.kind, "base": str(each.base), "position": str(each.position), "ops": each.ops, "at": each.at}
        for each in found.changes
    ]
    return Truth(session, history)
