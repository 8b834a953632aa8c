"""What this node last knew of a session: a first guess for a commit, never an answer to anybody."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub.core.session import Session

MOST_SESSIONS = 32_768  # a commit to one that is not known reads it first, and costs half as much again
MOST_BYTES = 32 * 1024 * 1024  # of documents, written as JSON
LARGEST_DOCUMENT_BYTES = 16 * 1024


class Guesses:
    """The sessions committed to last, bounded; larger documents are read afresh instead."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Session, int]] = OrderedDict()
        self._bytes = 0

    def get(self, sid: str) -> Session | None:
        """What is thought to be true of ``sid``."""
        known = self._known.get(sid)
        return None if known is None else known[0]

    def put(self, session: Session, document_bytes: int) -> None:
        """Keep what was just written."""
        self.drop(session.sid)
        if document_bytes > LARGEST_DOCUMENT_BYTES:
            return
        self._known[session.sid] = (session, document_bytes)
        self._bytes += document_bytes
        while len(self._known) > MOST_SESSIONS or self._bytes > MOST_BYTES:
            self.drop(next(iter(self._known)))

    def drop(self, sid: str) -> None:
        """Nothing is known any more."""
        known = self._known.pop(sid, None)
        if known is not None:
            self._bytes -= known[1]


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
