"""The ring a running node works with. The file may change under it; the node follows, or says why it does not.

A look costs one ``stat``. A ring that cannot be used (malformed, open to others, or without what is in use) is not
taken: the node goes on with the one it has, and says so once. Everybody who holds keys gets the new ones in one turn
of the event loop, so no request meets half of a ring.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from hub.errors import ConfigurationError
from hub.store.keyring.file import look_at
from hub.store.keyring.ring import KeyRing
from hub.telemetry.security import SecurityEvent, note

LOOK_SECONDS = 1.0

log = logging.getLogger("hub.store")


class LiveRing:
    """``keys`` is the ring as it is in use now. Raises ``ConfigurationError`` where there is none to begin with."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, look_at(path)
        self.keys = KeyRing.load(path)
        self.followers: list[Callable[[KeyRing], None]] = []
        self._task: asyncio.Task[None] | None = None

    def look(self) -> bool:
        """Whether the file has another ring now; if so, everybody works with it already."""
        seen = look_at(self._path)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            ring = KeyRing.load(self._path)
            _check_follows(self.keys, ring, self._path)
        except ConfigurationError as error:
            note(SecurityEvent.KEY_RING_REFUSED, why=str(error))
            return False
        if ring == self.keys:
            return False
        self.keys = ring
        for follow in self.followers:
            follow(ring)
        log.info("another key ring is in use", extra={"active": {use: k.active.kid for use, k in ring.by_use.items()}})
        return True

    def start(self) -> None:
        """Look from time to time, for as long as the node lives."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()


def _check_follows(before: KeyRing, after: KeyRing, path: Path) -> None:
    """What makes things now has to be there still, and a name means one key for ever."""
    for use, keys in before.by_use.items():
        new = after.by_use[use]
        if keys.active.kid not in new.by_kid:
            raise ConfigurationError(f"{path}: the {use} key in use, {keys.active.kid}, is not in it")
        for kid, key in keys.by_kid.items():
            if kid in new.by_kid and new[kid] != key.secret:
                raise ConfigurationError(f"{path}: {use} key {kid} is another key than before")
