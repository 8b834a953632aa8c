"""A subscription counts as confirmed by the answer to the last command that asked for it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from hub.store import keys
from hub.store.feed import Feed, Tags
from hub.store.line import Line

TAG = "0123456789abcdef"
CHANNEL = keys.channel(TAG)
ANSWER = [b"ssubscribe", CHANNEL.encode(), 1]


class Wire:
    """A connection that only takes commands."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []

    async def send_command(self, *command: str) -> None:
        """Keep it."""
        self.said.append(command)


async def nothing() -> None:
    """Nothing moved."""


async def test_left_and_taken_up_again_is_confirmed_by_the_second_answer() -> None:
    """The first answer belongs to a subscription that was given up: in between nothing is heard."""
    wire, line = Wire(), Line(cast("Any", None), cast("Any", None), lambda: "probe")
    feed = Feed(lambda _: line, lambda _: Tags(frozenset()), nothing)
    line.listener, line._connection = feed, cast("Any", wire)
    first = asyncio.create_task(feed.subscribe(TAG))
    await asyncio.wait({first}, timeout=0.01)
    await feed.unsubscribe(TAG)
    second = asyncio.create_task(feed.subscribe(TAG))
    await asyncio.wait({second}, timeout=0.01)
    assert [name for name, _ in wire.said] == ["SSUBSCRIBE", "SUNSUBSCRIBE", "SSUBSCRIBE"]
    line._take(ANSWER)
    await asyncio.wait({second}, timeout=0.01)
    assert not second.done()
    line._take(ANSWER)
    await asyncio.wait_for(second, 1)
    await first
