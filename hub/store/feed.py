"""The feed: what this node hears from the store, and the certainty that it hears it.

Sharded pub/sub on one connection, opened here and never silently reopened: a loss is told to every
follower, who then reads again. Publishing is at most once, so the feed also talks to itself: a probe that
does not come back in time means the connection is deaf, and it is dropped as lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
import time
from typing import Literal

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from hub.core.ports import Follower, Heard, HeardChange, HeardEnd, HeardPresence
from hub.core.position import Position
from hub.errors import HubError
from hub.store import keys
from hub.store.calls import Calls
from hub.store.connecting import Connect, address_of, cut, establish
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


class Feed:
    """One node's subscriptions, by user tag, counted."""

    def __init__(self, connect: Connect, calls: Calls) -> None:
        self._connect, self._calls = connect, calls
        self._follower: Follower | None = None
        self._counts: dict[str, int] = {}
        self._awaited: dict[str, asyncio.Future[None]] = {}
        self._unconfirmed: dict[str, int] = {}  # SSUBSCRIBEs sent on this connection: only the last answer counts
        self._connection: AbstractConnection | None = None
        self._is_wanted = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._probe_tag = secrets.token_hex(8)
        self._probe_sent_at = self._probe_heard_at = 0.0
        self.is_delivering = False
        self._up = asyncio.Event()

    @property
    def seconds_silent(self) -> float:
        """Since a probe came back last, or the feed went up."""
        return asyncio.get_running_loop().time() - self._probe_heard_at

    async def subscribe(self, tag: str) -> None:
        """Hear of this user from now on. Returns once the store has confirmed it (or the feed is lost:
        then everything is read again anyway)."""
        self._counts[tag] = self._counts.get(tag, 0) + 1
        channel = keys.channel(tag)
        if self._counts[tag] == 1:
            self._awaited[channel] = asyncio.get_running_loop().create_future()
            await self._say("SSUBSCRIBE", channel)
        if (confirmed := self._awaited.get(channel)) is not None:
            await asyncio.shield(confirmed)

    async def unsubscribe(self, tag: str) -> None:
        """One follower of this user less."""
        self._counts[tag] -= 1
        if self._counts[tag] == 0:
            del self._counts[tag]
            self._confirm(keys.channel(tag))
            await self._say("SUNSUBSCRIBE", keys.channel(tag))

    async def wait_until_up(self) -> None:
        """Until the feed is connected and subscribed; it tries at once, as the store is there."""
        if not self._up.is_set():
            self._is_wanted.set()
        await self._up.wait()

    @property
    def address(self) -> Address | None:
        """The server it is connected to, where it knows."""
        return address_of(self._connection)

    def drop(self) -> None:
        """The store may be elsewhere by now: what comes over this connection counts as lost."""
        self.is_delivering = False
        self._up.clear()
        if self._connection is not None:
            task = asyncio.ensure_future(cut(self._connection))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def run(self, follower: Follower) -> None:
        """Connect, listen, and after a loss connect again; until cancelled."""
        self._follower = follower
        pause, lost_before = RETRY_SECONDS[0], False
        while True:
            try:
                await self._listen(lost_before)
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

    async def _listen(self, lost_before: bool) -> None:
        connection = self._connect()
        await establish(connection)
        probing = None
        try:
            await self._subscribe_to_all(connection)
            self._went_up(lost_before)
            probing = asyncio.create_task(self._probe(connection))
            while True:
                self._take(await connection.read_response(timeout=math.inf))
        finally:
            if probing is not None:
                probing.cancel()
            await cut(connection)
            for channel in list(self._awaited):
                self._confirm(channel)

    async def _subscribe_to_all(self, connection: AbstractConnection) -> None:
        # From here on new followers say so on this connection themselves; no turn passes in between.
        self._connection = connection
        missing = {keys.channel(tag) for tag in [*self._counts, self._probe_tag]}
        self._unconfirmed = dict.fromkeys(missing, 1)
        await connection.send_packed_command(connection.pack_commands([("SSUBSCRIBE", channel) for channel in missing]))
        while missing:
            reply = await connection.read_response(timeout=PROBE_LATEST_SECONDS)
            if reply is None:
                raise RedisConnectionError("the store does not confirm subscriptions")
            missing.discard(self._take(reply))

    def _went_up(self, lost_before: bool) -> None:
        self._probe_heard_at = asyncio.get_running_loop().time()
        self.is_delivering = True
        self._up.set()
        self._is_wanted.clear()
        if lost_before and self._follower is not None:
            self._follower.on_feed_restored()

    def _take(self, reply: object) -> str:
        """Handle one answer; returns the channel it confirms, if it is a confirmation."""
        if not isinstance(reply, list) or len(reply) != 3:
            return ""
        kind, channel, payload = reply
        if kind == b"smessage":
            if payload == b"probe":
                self._probe_heard_at = asyncio.get_running_loop().time()
                metrics.PROBE_SECONDS.observe(time.perf_counter() - self._probe_sent_at)
            elif (heard := parse(payload)) is None:
                note(SecurityEvent.CRYPT_DECRYPT_FAIL, purpose="feed", why="a message that no node of this hub sends")
            elif self._follower is not None:
                self._follower.on_heard(heard)
        elif kind == b"ssubscribe":
            return self._subscribed(channel.decode())
        return ""

    def _subscribed(self, channel: str) -> str:
        left = self._unconfirmed.get(channel, 1) - 1
        if left > 0:  # it was left and taken up again meanwhile: this answers the first time
            self._unconfirmed[channel] = left
            return ""
        self._unconfirmed.pop(channel, None)
        self._confirm(channel)
        return channel

    def _confirm(self, channel: str) -> None:
        confirmed = self._awaited.pop(channel, None)
        if confirmed is not None and not confirmed.done():
            confirmed.set_result(None)

    async def _say(self, command: Literal["SSUBSCRIBE", "SUNSUBSCRIBE"], channel: str) -> None:
        if self._connection is None:
            self._confirm(channel)  # the next connection subscribes to all that is counted, then tells
            return
        if command == "SSUBSCRIBE":
            self._unconfirmed[channel] = self._unconfirmed.get(channel, 0) + 1
        with contextlib.suppress(RedisError, OSError):
            await self._connection.send_command(command, channel)

    async def _probe(self, connection: AbstractConnection) -> None:
        """Talk to ourselves; a feed that does not hear it is closed, which ends ``_listen``."""
        loop = asyncio.get_running_loop()
        while True:
            self._probe_sent_at = time.perf_counter()
            with contextlib.suppress(HubError):
                await self._calls.call("SPUBLISH", keys.channel(self._probe_tag), "probe")
            await asyncio.sleep(PROBE_EVERY_SECONDS)
            if loop.time() - self._probe_heard_at > PROBE_LATEST_SECONDS:
                self.is_delivering = False
                await cut(connection)
                return
