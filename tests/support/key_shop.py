"""A store and a ring that may change: nodes that follow it or lag behind, and what may be dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.core.session import Session
from hub.store import keys
from hub.store.keyring import Key, KeyRing, Use
from hub.store.keyring.at_rest import AtRest, Resealed
from hub.store.keyring.changes import Refused, activate, add
from hub.store.keyring.dropping import check_unneeded
from hub.store.keyring.ring import now
from hub.store.store import Store
from tests.store.conftest import Ear, Place


@dataclass
class Shop:
    """A store of its own, in effect, and a ring that may change."""

    place: Place
    file: Path

    def __post_init__(self) -> None:
        self.outside: Any = self.place.outside()

    @property
    def ring(self) -> KeyRing:
        """As the file has it now."""
        return KeyRing.load(self.file)

    def rotate(self, use: Use) -> tuple[Key, str]:
        """The key that is old from now on, and the name of the new one."""
        made = list[Key]()

        def change(keys: list[Key]) -> list[Key]:
            more, key = add(keys, use, now())
            made.append(key)
            after, _, before = activate(more, use, key.kid, now())
            made.append(before)
            return after

        KeyRing.edit(self.file, change)
        return made[1], made[0].kid

    @asynccontextmanager
    async def node(self, name: str) -> AsyncIterator[Store]:
        """A node with the ring of now; it does not look at the file again."""
        store = Store(self.place.url, self.ring, name)
        await store.start(Ear())
        try:
            yield store
        finally:
            await store.stop()

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[AtRest]:
        """The store, looked at with the ring of now."""
        async with AtRest(self.place.url, self.ring) as made:
            yield made

    async def reseal(self) -> Resealed:
        """All of it."""
        async with self.at_rest() as at_rest:
            return [at async for at in at_rest.reseal()][-1]

    async def refusal(self, key: Key) -> str:
        """Why it cannot be dropped; ``""`` if it can."""
        async with self.at_rest() as at_rest:
            try:
                await check_unneeded(at_rest, key, lambda _: None)
            except Refused as error:
                return str(error)
        return ""

    def master_of(self, session: Session) -> str:
        """The kid in its record."""
        return str(self.outside.hget(keys.record(session.sid), "dek").partition(b":")[0].decode())
