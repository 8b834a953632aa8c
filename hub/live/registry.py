"""The connections on this node, by session.

A ``Follow`` is what this node keeps of one session that somebody here is connected to: its connections,
its record as last read (for opening what the feed brings) and a timer at its deadline. It holds no opinion
about whether the session lives: the store decides, the timer only makes it decide in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from hub.core.ports import Clock, Feed
from hub.core.session import Session, user_tag
from hub.live.connection import Connection
from hub.live.heap import Heap
from hub.protocol.close_codes import CloseCode

LATE_MS = 2  # a timer that is early would only be told that nothing is due yet
LONGEST_TIMER_SECONDS = 3600.0

Check = Callable[["Follow"], Awaitable[None]]


class Follow:
    """One session that this node follows."""

    __slots__ = ("_timer", "connections", "presence", "session", "suspect", "watchers")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.connections: dict[str, Connection] = {}
        self.watchers: set[asyncio.Future[CloseCode]] = set()
        self.presence: list[dict[str, object]] | None = None
        self.suspect = False  # a position check found it behind once
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_followed(self) -> bool:
        """Whether anybody here still depends on it."""
        return bool(self.connections or self.watchers)

    @property
    def wants_presence(self) -> bool:
        """Whether some connection here asked who is connected."""
        return any(connection.wants_presence for connection in self.connections.values())

    def arm(self, now_ms: int, on_due: Callable[[], None]) -> None:
        """Call ``on_due`` when the deadline known last has passed."""
        self.disarm()
        seconds = max(0.0, (self.session.deadline_ms - now_ms + LATE_MS) / 1000)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(seconds, LONGEST_TIMER_SECONDS), on_due)

    def disarm(self) -> None:
        """No more timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Registry:
    """All follows of this node. ``check`` asks the store about one of them."""

    def __init__(self, feed: Feed, clock: Clock, per_session: int, check: Check) -> None:
        self._feed, self._clock, self._per_session = feed, clock, per_session
        self._check = check
        self._follows: dict[str, Follow] = {}
        self._checks: set[asyncio.Task[None]] = set()
        self.heap = Heap()
        self.count = 0

    def get(self, sid: str) -> Follow | None:
        """The follow of a session, if anybody here is connected to it."""
        return self._follows.get(sid)

    def follows(self) -> list[Follow]:
        """All of them, as they are now."""
        return list(self._follows.values())

    @property
    def followed(self) -> int:
        """How many sessions are followed."""
        return len(self._follows)

    def connections(self) -> Iterator[Connection]:
        """All connections of this node."""
        for follow in list(self._follows.values()):
            yield from list(follow.connections.values())

    async def join(self, connection: Connection, session: Session) -> None:
        """Count a connection in, and hear of its session from now on. The oldest goes if there are too many."""
        follow = self._follow(session)
        follow.connections[connection.id] = connection
        if connection.wants_presence and connection.principal.owns_its_session:
            follow.presence = None  # told again, whether it changed or not
        self.count += 1
        self.heap.opened()
        self._make_room(follow)
        await self._feed.subscribe(user_tag(session.sid))

    async def leave(self, connection: Connection) -> None:
        """Count a connection out."""
        del self._follows[connection.sid].connections[connection.id]
        self.count -= 1
        self.heap.gone(self.count)
        await self._release(connection.sid)

    async def watch(self, watcher: asyncio.Future[CloseCode], session: Session) -> Follow:
        """Tell ``watcher`` when nothing may rest on the session any more; for what is no connection of the hub."""
        follow = self._follow(session)
        follow.watchers.add(watcher)
        await self._feed.subscribe(user_tag(session.sid))
        return follow

    async def unwatch(self, watcher: asyncio.Future[CloseCode], sid: str) -> None:
        """It is not interested any more."""
        self._follows[sid].watchers.discard(watcher)
        await self._release(sid)

    def _follow(self, session: Session) -> Follow:
        follow = self._follows.get(session.sid)
        if follow is None:
            follow = self._follows[session.sid] = Follow(session)
            self.learn(session)
        return follow

    async def _release(self, sid: str) -> None:
        follow = self._follows[sid]
        if not follow.is_followed:
            follow.disarm()
            del self._follows[sid]
        await self._feed.unsubscribe(user_tag(sid))

    def learn(self, session: Session) -> None:
        """A record was read: keep what opens the feed, and wait for its deadline."""
        follow = self._follows.get(session.sid)
        if follow is not None:
            follow.session = session
            follow.arm(self._clock.now_ms(session.sid), lambda: self.check(follow))

    def check(self, follow: Follow) -> None:
        """Ask the store about a session: something here does not fit, or its deadline has come."""
        task = asyncio.ensure_future(self._check(follow))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    def _make_room(self, follow: Follow) -> None:
        counted = [each for each in follow.connections.values() if each.principal.owns_its_session]
        open_ones = [each for each in counted if each.closing is None]
        for oldest in open_ones[: max(0, len(open_ones) - self._per_session)]:
            oldest.act(oldest.conversation.on_closing(CloseCode.TOO_MANY))
