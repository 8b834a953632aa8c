"""Frames waiting for one connection: bounded, and never waited for.

A document can always collapse: when too much waits, the frames that a snapshot makes up for are dropped
and the outbox says so. Answers to the tab's own commits are kept, and too many of those are an end.
All outboxes of a node share a budget. When it is spent, those collapse that have something waiting already and get
more: tabs that read have nothing waiting and never notice.
Pure; the writer takes from it, everybody else puts into it.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

MOST_FRAMES = 256
MOST_BYTES = 1024 * 1024
MOST_REPLIES = 256


class Put(Enum):
    """What became of a frame."""

    KEPT = auto()
    OVERFLOW = auto()  # this and the other droppable frames were dropped
    TOO_MANY_REPLIES = auto()


class Budget:
    """Bytes that may wait in all outboxes together (0: any number)."""

    __slots__ = ("most", "used")

    def __init__(self, most: int = 0) -> None:
        self.most, self.used = most, 0

    def take(self, size: int) -> bool:
        """So many more, or false where they are not left."""
        if size and self.most and self.used + size > self.most:
            return False
        self.used += size
        return True

    def give(self, size: int) -> None:
        """So many less."""
        self.used -= size


class Outbox:
    """First in, first out."""

    __slots__ = ("_budget", "_bytes", "_droppable", "_frames", "_replies")

    def __init__(self, budget: Budget | None = None) -> None:
        self._budget = budget or Budget()
        # Each with the bytes it counts for; ``None`` for an answer. Most outboxes are empty, and a deque is not small.
        self._frames: deque[tuple[bytes, int | None]] | None = None
        self._bytes = 0
        self._droppable = 0
        self._replies = 0

    def __len__(self) -> int:
        return len(self._frames or ())

    def put(self, frame: bytes) -> Put:
        """Add a frame that a snapshot can make up for.

        The first of them is kept and counts nothing whatever its size: a large snapshot must get through,
        and not be dropped by the frames that follow it.
        """
        counted = len(frame) if self._droppable else 0
        if self._droppable >= MOST_FRAMES or self._bytes + counted > MOST_BYTES:
            self.collapse()
            return Put.OVERFLOW
        if not self._budget.take(counted):
            self.collapse()
            return Put.OVERFLOW
        self._append(frame, counted)
        self._bytes += counted
        self._droppable += 1
        return Put.KEPT

    def put_reply(self, frame: bytes) -> Put:
        """Add an answer: never dropped."""
        if self._replies >= MOST_REPLIES:
            return Put.TOO_MANY_REPLIES
        self._append(frame, None)
        self._replies += 1
        return Put.KEPT

    def _append(self, frame: bytes, counted: int | None) -> None:
        if self._frames is None:
            self._frames = deque()
        self._frames.append((frame, counted))

    def take(self) -> bytes | None:
        """The next frame to write."""
        if not self._frames:
            self._frames = None
            return None
        frame, counted = self._frames.popleft()
        if counted is not None:
            self._bytes -= counted
            self._budget.give(counted)
            self._droppable -= 1
        else:
            self._replies -= 1
        return frame

    def collapse(self) -> None:
        """Drop what a snapshot makes up for."""
        self._frames = deque(entry for entry in self._frames or () if entry[1] is None)
        self._budget.give(self._bytes)
        self._bytes = self._droppable = 0

    def clear(self) -> None:
        """Drop everything: the session is over, or the connection."""
        self._frames = None
        self._budget.give(self._bytes)
        self._bytes = self._droppable = self._replies = 0
