"""What this node hears from one shard of the store, and the certainty that it hears it.

Sharded pub/sub on one connection, opened here and never silently reopened: a loss is told, and whoever is concerned
reads again. Publishing is at most once, so the line also talks to itself: a probe that does not come back in time means
the connection is deaf, and it is dropped as lost. A server that does not serve a channel any more says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError, RedisError

from hub.core.ports import Heard, HeardChange, HeardEnd, HeardPresence
from hub.core.position import Position
from hub.errors import HubError
from hub.store import keys
from hub.store.calls import Calls
from hub.store.connecting import Connect, address_of, cut, establish
from hub.store.slots import slot_of
from hub.store.store_url import Address
from hub.telemetry import metrics
from hub.telemetry.security import SecurityEvent, note

PROBE_EVERY_SECONDS = 2.0
PROBE_LATEST_SECONDS = 5.0
RETRY_SECONDS = (0.1, 2.0)

log = logging.getLogger("hub.store.feed")


def parse(payload: bytes) -> Heard | None:
    """Read a published message; ``None`` for what is none (somebody else may write to the store)."""
    kind, _, rest = payload.partition(b" ")
    try:
        match kind:
            case b"c":
                sid, position, sealed = rest.split(b" ", 2)
                return HeardChange(sid.decode(), Position.parse(position.decode()), sealed)
            case b"e":
                sid, at_ms, sealed = rest.split(b" ", 2)
                return HeardEnd(sid.decode(), int(at_ms), sealed)
            case b"p":
                return HeardPresence(rest.decode())
    except ValueError:
        pass
    return None


class Listener(Protocol):
    """Who is told what a line brings. No method may block."""

    def on_heard(self, heard: Heard) -> None:
        """A message of a channel that is followed."""

    def on_confirmed(self, channel: str) -> None:
        """It is heard from now on."""

    def on_unheard(self, channel: str) -> None:
        """There is no connection now: that is told when there is one again."""

    def on_line_restored(self, line: Line) -> None:
        """The line was lost and is back: what was missed on all its channels is not known."""

    def on_strayed(self, line: Line, channels: list[str]) -> None:
        """Another server serves these: what is missed is not known. The line has forgotten them."""


class Line:
    """One connection to the primary of a shard, for the channels that are followed there. ``probe`` gives a tag of that
    shard, for talking to ourselves."""

    def __init__(self, connect: Connect, calls: Calls, probe: Callable[[], str]) -> None:
        self._connect, self._calls, self._new_probe = connect, calls, probe
        self.listener: Listener | None = None
        self._channels: dict[str, None] = {}
        self._unconfirmed: dict[str, int] = {}  # SSUBSCRIBEs sent on this connection: only the last answer counts
        self._connection: AbstractConnection | None = None
        self._is_wanted = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._probe_tag = ""
        self._probe_sent_at = self._probe_heard_at = 0.0
        self.is_delivering = False
        self._up = asyncio.Event()

    async def follow(self, channel: str) -> None:
        """Hear of this one too; ``on_confirmed`` says from when."""
        self._channels[channel] = None
        await self._say("SSUBSCRIBE", channel)

    async def leave(self, channel: str) -> None:
        """Hear of it no more."""
        self._channels.pop(channel, None)
        await self._say("SUNSUBSCRIBE", channel)

    def follows(self, channel: str) -> bool:
        """Whether it is followed here."""
        return channel in self._channels

    async def wait_until_up(self) -> None:
        """Until it is connected and subscribed; it tries at once, as the store is there."""
        if not self._up.is_set():
            self._is_wanted.set()
        await self._up.wait()

    @property
    def address(self) -> Address | None:
        """The server it is connected to, where it knows."""
        return address_of(self._connection)

    @property
    def seconds_silent(self) -> float:
        """Since a probe came back last, or the line went up."""
        return asyncio.get_running_loop().time() - self._probe_heard_at

    def drop(self) -> None:
        """The store may be elsewhere by now: what comes over this connection counts as lost."""
        self.is_delivering = False
        self._up.clear()
        if self._connection is not None:
            task = asyncio.ensure_future(cut(self._connection))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def run(self, listener: Listener) -> None:
        """Connect, listen, and after a loss connect again; until cancelled."""
        self.listener = listener
        pause, lost_before = RETRY_SECONDS[0], False
        while True:
            try:
                await self._listen(listener, lost_before)
                pause = RETRY_SECONDS[0]
            except (RedisError, OSError) as error:
                log.warning("feed_lost", extra={"why": type(error).__name__})
                if self._up.is_set():
                    metrics.FEED_LOSSES.add()
                    pause = RETRY_SECONDS[0]
            finally:
                self.is_delivering = False
                self._up.clear()
                self._connection = None
            lost_before = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_wanted.wait(), pause)
            self._is_wanted.clear()
            pause = min(pause * 2, RETRY_SECONDS[1])

    async def _listen(self, listener: Listener, lost_before: bool) -> None:
        connection = self._connect()
        await establish(connection)
        probing = None
        try:
            await self._subscribe_to_all(connection)
            self._went_up(lost_before)
            probing = asyncio.create_task(self._probe(connection))
            while True:
                await self._hear(connection, math.inf)
        finally:
            if probing is not None:
                probing.cancel()
            await cut(connection)
            self._connection = None
            for channel in list(self._channels):
                listener.on_unheard(channel)

    async def _subscribe_to_all(self, connection: AbstractConnection) -> None:
        # From here on new followers say so on this connection themselves; no turn passes in between.
        self._connection, self._probe_tag = connection, self._new_probe()
        channels = [*self._channels, keys.channel(self._probe_tag)]
        self._unconfirmed = dict.fromkeys(channels, 1)
        await connection.send_packed_command(connection.pack_commands([("SSUBSCRIBE", each) for each in channels]))
        missing = set(channels)
        while missing:
            missing -= await self._hear(connection, PROBE_LATEST_SECONDS)

    async def _hear(self, connection: AbstractConnection, seconds: float) -> set[str]:
        """Take one answer. Gives the channels of which it says whether they are heard here."""
        try:
            reply = await connection.read_response(timeout=seconds)
        except MovedError as error:
            every = [*self._channels, keys.channel(self._probe_tag)]
            return self._stray(channel for channel in every if slot_of(channel) == error.slot_id)
        if reply is None:
            raise RedisConnectionError("the store does not confirm subscriptions")
        return {channel} if (channel := self._take(reply)) else set()

    def _went_up(self, lost_before: bool) -> None:
        self._probe_heard_at = asyncio.get_running_loop().time()
        self.is_delivering = True
        self._up.set()
        self._is_wanted.clear()
        if lost_before and self.listener is not None:
            self.listener.on_line_restored(self)

    def _take(self, reply: object) -> str:
        """Handle one answer; the channel it confirms, if it is a confirmation."""
        if not isinstance(reply, list) or len(reply) != 3:
            return ""
        kind, channel, payload = reply
        if kind == b"smessage":
            if payload == b"probe":
                self._probe_heard_at = asyncio.get_running_loop().time()
                metrics.PROBE_SECONDS.observe(time.perf_counter() - self._probe_sent_at)
            elif (heard := parse(payload)) is None:
                note(SecurityEvent.CRYPT_DECRYPT_FAIL, purpose="feed", why="a message that no node of this hub sends")
            elif self.listener is not None:
                self.listener.on_heard(heard)
        elif kind == b"ssubscribe":
            return self._subscribed(channel.decode())
        elif kind == b"sunsubscribe" and channel is not None:
            self._unsubscribed(channel.decode())
        return ""

    def _subscribed(self, channel: str) -> str:
        left = self._unconfirmed.get(channel, 1) - 1
        if left > 0:  # it was left and taken up again meanwhile: this answers the first time
            self._unconfirmed[channel] = left
            return ""
        self._unconfirmed.pop(channel, None)
        if self.listener is not None:
            self.listener.on_confirmed(channel)
        return channel

    def _unsubscribed(self, channel: str) -> None:
        """By us, or by a server that does not serve it any more. What was taken up again since is answered later."""
        if channel in self._channels and channel not in self._unconfirmed:
            self._stray([channel])

    def _stray(self, channels: Iterable[str]) -> set[str]:
        strayed = set(channels)
        followed = [channel for channel in self._channels if channel in strayed]
        for channel in strayed:
            self._channels.pop(channel, None)
            self._unconfirmed.pop(channel, None)
        if followed and self.listener is not None:
            self.listener.on_strayed(self, followed)
        return strayed

    async def _say(self, command: Literal["SSUBSCRIBE", "SUNSUBSCRIBE"], channel: str) -> None:
        if self._connection is None:
            if self.listener is not None:
                self.listener.on_unheard(channel)  # the next connection subscribes to all that is followed, then tells
            return
        if command == "SSUBSCRIBE":
            self._unconfirmed[channel] = self._unconfirmed.get(channel, 0) + 1
        with contextlib.suppress(RedisError, OSError):
            await self._connection.send_command(command, channel)

    async def _probe(self, connection: AbstractConnection) -> None:
        """Talk to ourselves; a line that does not hear it is closed, which ends ``_listen``."""
        loop = asyncio.get_running_loop()
        while True:
            await self._renew_probe()
            self._probe_sent_at = time.perf_counter()
            with contextlib.suppress(HubError):
                await self._calls.call("SPUBLISH", keys.channel(self._probe_tag), "probe")
            await asyncio.sleep(PROBE_EVERY_SECONDS)
            if loop.time() - self._probe_heard_at > PROBE_LATEST_SECONDS:
                self.is_delivering = False
                await cut(connection)
                return

    async def _renew_probe(self) -> None:
        """Its slot may have moved."""
        if (tag := self._new_probe()) != self._probe_tag:
            await self._say("SUNSUBSCRIBE", keys.channel(self._probe_tag))
            self._probe_tag = tag
            await self._say("SSUBSCRIBE", keys.channel(tag))
