"""All shards watched at once: what is heard from them, what can be done with each, and who is told of it.

One that fails concerns its own sessions and nobody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hub.core.mode import Mode
from hub.core.ports import Follower, Part
from hub.errors import Unavailable
from hub.store.ends import Ends
from hub.store.feed import Feed, Tags
from hub.store.line import Line
from hub.store.shard import Shard, each
from hub.store.shards import Shards


class Watching:
    """``listeners`` hear at each transition which part of the store has which mode now; they must not block."""

    def __init__(self, shards: Shards, ends: Ends) -> None:
        self._shards, self._ends = shards, ends
        self.feed = Feed(self._line_of, self._shard_of, shards.look)
        self.listeners: list[Callable[[Mode, Part], None]] = []
        self._by_line: dict[Line, Shard] = {}  # of all there have been: who is moved from one is told what is new
        self._leaving: set[asyncio.Task[None]] = set()
        for shard in shards.all:
            self._know(shard)
        shards.on_new = self._know

    async def start(self, follower: Follower) -> None:
        """Hear them for ``follower``, and find again those that are lost. Raises ``HubError`` where none is heard."""
        self.feed.on_heard, self.feed.on_restored = follower.on_heard, follower.on_feed_restored
        self.feed.on_moved = lambda tags, before, line: self._on_moved(follower, tags, before, line)
        for shard in self._shards.all:
            shard.start(self.feed, self._ends)
        self._shards.on_new, self._shards.on_gone = self._on_new, self._on_gone
        self._shards.on_changed = self.feed.on_slots_moved
        self._shards.look_round()
        await each(self._shards.all, lambda shard: shard.wait_until_heard(is_alone=len(self._shards.all) == 1))

    async def stop(self) -> None:
        """Hear and find no more; calls go on."""
        await self.feed.close()
        for shard in self._shards.all:
            await shard.stop()

    # what can be done

    @property
    def is_ready(self) -> bool:
        """Whether all of them answer and what is published is heard."""
        return all(shard.is_serving for shard in self._shards.all)

    @property
    def is_serving(self) -> bool:
        """Whether one of them does."""
        return any(shard.is_serving for shard in self._shards.all)

    @property
    def is_delivering(self) -> bool:
        """Whether everything that is published is heard, wherever anything can be."""
        here = [shard for shard in self._shards.all if shard.mode != "maintenance"]
        return bool(here) and all(shard.line.is_delivering for shard in here)

    @property
    def seconds_silent(self) -> float:
        """Since a probe of the shard that was heard least lately came back last."""
        return max((shard.line.seconds_silent for shard in self._shards.all), default=0.0)

    @property
    def is_there(self) -> bool:
        """Whether one of them can be read."""
        return any(shard.mode != "maintenance" for shard in self._shards.all)

    def check_writable(self, tag: str | None = None) -> None:
        """Raise what a write for this user would be answered while none can be made; for nobody in particular, while
        none can be made for anybody."""
        asked = self._shards.all if tag is None else [self._shards.of_tag(tag)]
        refusals: list[Unavailable | None] = [shard.health.write_refusal for shard in asked if shard is not None]
        if refusals and all(refusals):
            raise next(refusal for refusal in refusals if refusal is not None)

    # what happens to them

    def _line_of(self, tag: str) -> Line | None:
        shard = self._shards.of_tag(tag)
        return None if shard is None else shard.line

    def _shard_of(self, line: Line) -> Part:
        return self._by_line.get(line, Tags(frozenset()))

    def _know(self, shard: Shard) -> None:
        self._by_line[shard.line] = shard
        shard.health.listeners.append(lambda mode: self._on_mode(mode, shard))

    def _on_new(self, shard: Shard) -> None:
        self._know(shard)
        shard.start(self.feed, self._ends)

    def _on_gone(self, shard: Shard) -> None:
        """It serves nothing any more. Who was heard on its line is moved first."""
        leaving = asyncio.create_task(self._leave(shard))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _leave(self, shard: Shard) -> None:
        await shard.stop()
        await shard.finish()

    def _on_mode(self, mode: Mode, part: Part) -> None:
        for listener in self.listeners:
            listener(mode, part)

    def _on_moved(self, follower: Follower, tags: Tags, before: Line | None, line: Line) -> None:
        """These users are served by another shard now: they read again, and hear of it where that shard can do more or
        less than theirs could."""
        follower.on_feed_restored(tags)
        shard = self._by_line.get(line)
        was = self._by_line[before].mode if before in self._by_line else "maintenance"
        if shard is not None and shard.mode != was:
            self._on_mode(shard.mode, tags if shard.mode == "live" else shard)
