"""What this node last knew of a session: a first guess for a commit, never an answer to anybody."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub.core.session import Session

MOST_SESSIONS = 4096
LARGEST_DOCUMENT_BYTES = 16 * 1024


class Guesses:
    """The sessions committed to last, bounded; larger documents are read afresh instead."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Session] = OrderedDict()

    def get(self, sid: str) -> Session | None:
        """What is thought to be true of ``sid``."""
        return self._known.get(sid)

    def put(self, session: Session, document_bytes: int) -> None:
        """Keep what was just written."""
        if document_bytes > LARGEST_DOCUMENT_BYTES:
            self._known.pop(session.sid, None)
            return
        self._known[session.sid] = session
        self._known.move_to_end(session.sid)
        if len(self._known) > MOST_SESSIONS:
            self._known.popitem(last=False)

    def drop(self, sid: str) -> None:
        """Nothing is known any more."""
        self._known.pop(sid, None)


class Queues:
    """One queue per session: commits of one node build on each other instead of racing."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, sid: str) -> AsyncIterator[None]:
        """Wait for this session's turn."""
        lock, users = self._locks.get(sid) or (asyncio.Lock(), 0)
        self._locks[sid] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[sid]
            if users == 1:
                del self._locks[sid]
            else:
                self._locks[sid] = (lock, users - 1)
