"""From the feed to the connections: one change or end, handed to all who follow the session here.

Never waits. What cannot be opened, or does not fit, makes the connections read again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable

from hub.core.mode import Mode
from hub.core.ports import Clock, Feed, Heard, HeardChange, HeardEnd, HeardPresence, Part
from hub.core.session import Ending, Session, user_tag
from hub.core.times import from_rfc3339
from hub.errors import Unavailable
from hub.live.connection import Connection
from hub.live.registry import Follow, Registry
from hub.live.turns import Turns
from hub.live.wires import Outgoing
from hub.protocol.close_codes import CloseCode
from hub.sessions.sessions import Sessions
from hub.telemetry import metrics

SPREAD_SECONDS = 1.0  # over which the reloads after a lost feed are spread
READ_AGAIN_SECONDS = 0.5
STORE_LOST_SECONDS = 60.0


class Fanout:
    """The follower of this node's feed."""

    def __init__(self, feed: Feed, clock: Clock, sessions: Sessions, per_session: int) -> None:
        self._feed, self._sessions, self.clock = feed, sessions, clock
        self.registry = Registry(feed, clock, per_session, self.check)
        self.turns = Turns()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost_timers: dict[Part, asyncio.TimerHandle] = {}
        # Those to read again within a second, and the mode that is not told them before: what they show may be lost.
        self._due: dict[Connection, Mode | None] = {}

    # the feed

    def on_heard(self, heard: Heard) -> None:
        follow = self.registry.get(heard.sid)
        if follow is None:
            return
        match heard:
            case HeardChange():
                self._on_change(follow, heard)
            case HeardEnd():
                ending = self._feed.open_end(follow.session, heard)
                if ending is None:
                    self.registry.check(follow)
                else:
                    self.end(follow, ending)
            case HeardPresence():
                if follow.wants_presence:
                    self._start(self.tell_presence(follow))

    def _on_change(self, follow: Follow, heard: HeardChange) -> None:
        change = self._feed.open_change(follow.session, heard)
        if change is None:
            self.reload(follow, "unreadable")
            return
        outgoing, connections = Outgoing(change), list(follow.connections.values())
        for connection in connections:
            connection.on_change(outgoing)
        if connections:
            metrics.CHANGE_CONNECTIONS.observe(len(connections))
            metrics.PUSH_SECONDS.observe((self.clock.now_ms() - from_rfc3339(change.at)) / 1000)

    def on_feed_restored(self, part: Part) -> None:
        """What was missed is not known: everybody concerned reads again, not all at the same moment."""
        loop = asyncio.get_running_loop()
        for connection in self._connections_of(part):
            delay = random.uniform(0, SPREAD_SECONDS)  # noqa: S311 - spreads, hides nothing
            self._due.setdefault(connection, None)
            loop.call_later(delay, self._reload_due, connection)
        for follow in self.registry.follows():
            if follow.watchers and part.holds(user_tag(follow.session.sid)):
                self.registry.check(follow)

    def _connections_of(self, part: Part) -> list[Connection]:
        return [each for each in self.registry.connections() if part.holds(user_tag(each.sid))]

    def _reload_due(self, connection: Connection) -> None:
        withheld = self._due.pop(connection, None)
        self._reload_one(connection, "feed_lost")
        if withheld is not None:
            connection.act(connection.conversation.on_mode(withheld))

    def _reload_one(self, connection: Connection, reason: str) -> None:
        if actions := connection.conversation.on_reload():
            metrics.RELOADS.add(reason)
            connection.act(actions)

    def reload(self, follow: Follow, reason: str) -> None:
        """The connections of one session read again; ``reason`` as metrics know it."""
        for connection in list(follow.connections.values()):
            self._reload_one(connection, reason)

    # ends and checks

    def end(self, follow: Follow, ending: Ending) -> None:
        """The session is over: nothing more is written on its connections but that."""
        follow.disarm()
        for connection in list(follow.connections.values()):
            connection.end(ending)
        _tell(follow, CloseCode.ENDED)

    async def watch(self, session: Session) -> CloseCode:
        """Return as soon as nothing may rest on the session any more: 4500 when it is over (also if it was
        before), 4001 when the store could not be asked for a minute."""
        watcher: asyncio.Future[CloseCode] = asyncio.get_running_loop().create_future()
        try:
            self.registry.check(await self.registry.watch(watcher, session))
            return await watcher
        finally:
            await self.registry.unwatch(watcher, session.sid)

    async def check(self, follow: Follow) -> None:
        """Ask the record: end what is over or gone, and wait for the new deadline of what is not."""
        while follow.is_followed:
            try:
                async with await self.turns.take():
                    caught = await self._sessions.catch_up(follow.session.sid, None, 0)
            except Unavailable:
                await asyncio.sleep(READ_AGAIN_SECONDS)
                continue
            if caught is None:
                self._forget(follow)
            elif caught.session.ending is not None:
                self.end(follow, caught.session.ending)
            else:
                self.registry.learn(caught.session)
            return

    def _forget(self, follow: Follow) -> None:
        """The store does not know this session (any more): nothing here may go on as if it did."""
        follow.disarm()
        for connection in list(follow.connections.values()):
            connection.act(connection.conversation.on_closing(CloseCode.UNAUTHENTICATED))
        _tell(follow, CloseCode.ENDED)

    # presence and mode

    async def tell_presence(self, follow: Follow) -> None:
        """Push who is connected to those who asked, if that changed."""
        with contextlib.suppress(Unavailable):
            shown = await self._presence_of(follow.session.sid)
            if shown == follow.presence:
                return
            follow.presence = shown
            for connection in list(follow.connections.values()):
                if connection.wants_presence:
                    connection.act(connection.conversation.on_presence(shown))

    async def tell_presence_to(self, connection: Connection) -> None:
        """Tell one alone: whose arrival counts for nothing is noticed by nobody."""
        with contextlib.suppress(Unavailable):
            connection.act(connection.conversation.on_presence(await self._presence_of(connection.sid)))

    async def _presence_of(self, sid: str) -> list[dict[str, object]]:
        found = await self._sessions.connections(sid)
        return [{name: each[name] for name in ("id", "app", "since")} for each in found]

    def on_mode(self, mode: Mode, part: Part) -> None:
        """More or less can be done for these users than before: every tab of theirs is told; that all is well, once it
        has read again."""
        for connection in self._connections_of(part):
            is_withheld = mode == "live" and connection in self._due
            if connection in self._due:
                self._due[connection] = mode if is_withheld else None
            if not is_withheld:
                connection.act(connection.conversation.on_mode(mode))
        if (timer := self._lost_timers.pop(part, None)) is not None:
            timer.cancel()
        if mode == "maintenance":
            loop = asyncio.get_running_loop()
            self._lost_timers[part] = loop.call_later(STORE_LOST_SECONDS, self._cut_watchers, part)

    def _cut_watchers(self, part: Part) -> None:
        """Nobody could be asked for too long whether these sessions live."""
        del self._lost_timers[part]
        for follow in self.registry.follows():
            if part.holds(user_tag(follow.session.sid)):
                _tell(follow, CloseCode.SHUTDOWN)

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _tell(follow: Follow, code: CloseCode) -> None:
    for watcher in follow.watchers:
        if not watcher.done():
            watcher.set_result(code)
