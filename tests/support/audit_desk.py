"""Where an auditor works: ``hub audit`` in this process, on a store that was emptied before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from hub.cli import main
from hub.core.session import Session
from hub.store.keyring import KeyRing
from hub.store.store import Store
from tests.store.conftest import Ear
from tests.support.nodes import Cluster
from tests.support.sessions import committed, end, opening, read
from tests.support.tampering import Thief, Vandal

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@dataclass
class Desk:
    """Where an auditor works: a store with a configuration, and what is printed."""

    cluster: Cluster
    capsys: pytest.CaptureFixture[str]
    folder: Path
    ring: KeyRing

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and error output of ``hub audit …``."""
        self.capsys.readouterr()
        code = main(["audit", *arguments, "--config", str(self.cluster.folder / "hub.toml")])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """JSON lines of a command that must succeed."""
        code, out, err = self.run(*arguments)
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    def make(self, act: Callable[[Store], Any]) -> Any:
        """Do something with a node's store."""

        async def doing() -> Any:
            store = Store(self.cluster.url_for_hubs, self.ring, "desk")
            await store.start(Ear())
            try:
                return await act(store)
            finally:
                await store.stop()

        return asyncio.run(doing())

    def vandal(self, sid: str) -> Vandal:
        """Somebody who can write to the store."""
        return Vandal(self.outside, sid)

    def thief(self, sid: str) -> Thief:
        """Somebody who has all keys too."""
        return Thief(self.outside, sid, self.ring, has_chain_key=True)

    @property
    def outside(self) -> Any:
        """The store, from outside."""
        return self._outside

    def __post_init__(self) -> None:
        self._outside = Redis.from_url(self.cluster.store_url)


async def life(store: Store) -> Session:
    """Seven revisions: opened, five commits, ended."""
    session = await opening(store, user="ada", document={"profile": {"name": "Ada"}}).live()
    session = await committed(store, session, profile={"name": "Grace", "token": TOKEN})
    session = await committed(store, session, cart={"\x1b[31m": "red"})
    session = await committed(store, session, cart={"long": "x" * 500})
    session = await committed(store, session, profile={"name": "Linus"})
    session = await committed(store, session, **{f"s{number}": number for number in range(9)})
    await end(store, session.sid, detail="good \x1b[5m bye")
    return await read(store, session.sid)
