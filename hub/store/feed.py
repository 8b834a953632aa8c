"""The feed: whom this node follows, and on which line. One line a shard; a tag is followed where its slot is served.

A slot that moves takes its tags along: subscribed to at the new owner first, then those who follow them read again, and
nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis.exceptions import RedisError

from hub.core.ports import Heard, Part
from hub.errors import HubError
from hub.store import keys
from hub.store.cancelling import cancel
from hub.store.line import Line

AGAIN_SECONDS = (0.05, 1.0)


@dataclass(frozen=True)
class Tags:
    """Some users."""

    tags: frozenset[str]

    def holds(self, tag: str) -> bool:
        """Whether it is one of them."""
        return tag in self.tags


class Feed:
    """One node's subscriptions, by user tag, counted. ``line_of`` knows where a tag is served (``None``: nowhere now),
    ``part_of`` what a line brings, ``look_again`` finds out where slots are by now."""

    def __init__(
        self,
        line_of: Callable[[str], Line | None],
        part_of: Callable[[Line], Part],
        look_again: Callable[[], Awaitable[None]],
    ) -> None:
        self._line_of, self._part_of, self._look_again = line_of, part_of, look_again
        self.on_heard: Callable[[Heard], None] = lambda _: None
        self.on_restored: Callable[[Part], None] = lambda _: None
        self.on_moved: Callable[[Tags, Line | None, Line], None] = lambda *_: None
        self._counts: dict[str, int] = {}
        self._lines: dict[str, Line] = {}
        self._awaited: dict[str, asyncio.Future[None]] = {}
        self._strayed: dict[str, Line | None] = {}  # by where it was followed last
        self._moving: dict[str, Line | None] = {}  # the same; subscribed to elsewhere, not confirmed yet
        self._moved: dict[str, Line | None] = {}  # the same; confirmed, not told yet
        self._homing: asyncio.Task[None] | None = None

    async def subscribe(self, tag: str) -> None:
        """Hear of this user from now on. Returns once the store has confirmed it (or the line is lost:
        then everything is read again anyway)."""
        self._counts[tag] = self._counts.get(tag, 0) + 1
        if self._counts[tag] == 1:
            self._awaited[tag] = asyncio.get_running_loop().create_future()
            await self._follow(tag)
        if (confirmed := self._awaited.get(tag)) is not None:
            await asyncio.shield(confirmed)

    async def _follow(self, tag: str) -> None:
        line = self._line_of(tag)
        if line is None:
            self._confirm(tag)  # whoever asks for a session nobody serves is told so
        else:
            self._lines[tag] = line
            await line.follow(keys.channel(tag))

    async def unsubscribe(self, tag: str) -> None:
        """One follower of this user less."""
        self._counts[tag] -= 1
        if self._counts[tag] == 0:
            del self._counts[tag]
            self._confirm(tag)
            for waiting in (self._strayed, self._moving, self._moved):
                waiting.pop(tag, None)
            if (line := self._lines.pop(tag, None)) is not None:
                await line.leave(keys.channel(tag))

    def _confirm(self, tag: str) -> None:
        confirmed = self._awaited.pop(tag, None)
        if confirmed is not None and not confirmed.done():
            confirmed.set_result(None)

    async def close(self) -> None:
        """Look for nobody's new place any more."""
        await cancel([self._homing])

    # what lines tell

    def on_confirmed(self, channel: str) -> None:
        """A line hears it from now on."""
        tag = keys.tag_of_channel(channel)
        self._confirm(tag)
        if tag in self._moving:
            if not self._moved:
                asyncio.get_running_loop().call_soon(self._tell_moved)
            self._moved[tag] = self._moving.pop(tag)

    def on_unheard(self, channel: str) -> None:
        """There is no connection. Once there is, everybody reads again."""
        self._confirm(keys.tag_of_channel(channel))

    def on_line_restored(self, line: Line) -> None:
        """Everybody it is heard for reads again."""
        self.on_restored(self._part_of(line))

    def on_strayed(self, line: Line, channels: list[str]) -> None:
        """These have to be followed elsewhere."""
        for tag in map(keys.tag_of_channel, channels):
            if self._lines.get(tag) is line:
                del self._lines[tag]
                self._strayed[tag] = self._moving.pop(tag, line)
        self._find_homes()

    # what moves

    def on_slots_moved(self) -> None:
        """What is served elsewhere by now is followed there."""
        for tag in self._counts:
            if tag not in self._strayed and self._lines.get(tag) is not self._line_of(tag):
                self._strayed[tag] = self._lines.pop(tag, None)
        self._find_homes()

    def _find_homes(self) -> None:
        if self._strayed and (self._homing is None or self._homing.done()):
            self._homing = asyncio.create_task(self._home_all())

    async def _home_all(self) -> None:
        pause = AGAIN_SECONDS[0]
        while self._strayed:
            with contextlib.suppress(HubError, RedisError, OSError):
                await self._look_again()
            for tag in list(self._strayed):
                await self._home(tag)
            if self._strayed:
                await asyncio.sleep(pause)
                pause = min(pause * 2, AGAIN_SECONDS[1])

    async def _home(self, tag: str) -> None:
        if self._line_of(tag) is None or tag not in self._strayed:
            return
        before, channel = self._strayed.pop(tag), keys.channel(tag)
        self._moving[tag] = before
        await self._follow(tag)
        if before is not None and before is not self._lines.get(tag) and before.follows(channel):
            await before.leave(channel)

    def _tell_moved(self) -> None:
        """All that were confirmed in one turn at once, by where they come from and have gone."""
        moves = dict[tuple[Line | None, Line], set[str]]()
        for tag, before in self._moved.items():
            if (line := self._lines.get(tag)) is not None:
                moves.setdefault((before, line), set()).add(tag)
        self._moved.clear()
        for (before, line), tags in moves.items():
            self.on_moved(Tags(frozenset(tags)), before, line)
