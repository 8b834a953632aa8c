"""Health of one shard of the store as this node sees it: the mode, who is told, and the way back to ``live``.

A mode other than ``live`` is entered by the first call that fails and left only by a probe, and only once
the feed delivers again. Nothing here ends a session or doubts a caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AskError, ClusterDownError, RedisError, ResponseError

from hub.core.mode import Mode
from hub.errors import HubError, Maintenance, ReadOnly, Unavailable
from hub.store import keys
from hub.store.connecting import Connect, establish

RETRY_SECONDS = (0.1, 2.0)
PROBE_LATEST_SECONDS = 2.0

log = logging.getLogger("hub.store.health")


class Health:
    """The mode of one shard. ``listeners`` are called at each transition; they must not block. ``is_trusted``: whether
    what answers may be taken for the store. ``probe`` names what may be written to find out."""

    def __init__(self, connect: Connect, probe: Callable[[], str] = lambda: keys.PROBE) -> None:
        self._connect, self._probe_name = connect, probe
        self.is_trusted: Callable[[AbstractConnection], Awaitable[bool]] = _always
        self._recover = asyncio.Event()
        self.mode: Mode = "live"
        self.is_live = asyncio.Event()
        self.is_live.set()
        self.listeners: list[Callable[[Mode], None]] = []

    def failed(self, mode: Mode) -> None:
        """A call failed in a way that speaks for ``mode``."""
        if self.mode == "live" or (self.mode == "read_only" and mode == "maintenance"):
            self._enter(mode)
            self._recover.set()

    @property
    def refusal(self) -> Unavailable | None:
        """What a call to the store is answered at once while there is none."""
        return Maintenance() if self.mode == "maintenance" else None

    @property
    def write_refusal(self) -> Unavailable | None:
        """What a write is answered at once while none can be made."""
        return ReadOnly() if self.mode == "read_only" else self.refusal

    def _enter(self, mode: Mode) -> None:
        log.warning("mode", extra={"mode": mode, "before": self.mode})
        self.mode = mode
        if mode == "live":
            self.is_live.set()
        else:
            self.is_live.clear()
        for listener in self.listeners:
            listener(mode)

    async def run(self, get_ready: Callable[[], Awaitable[None]]) -> None:
        """Whenever the mode is not ``live``, probe until it can be again, and then get ready; until cancelled."""
        while True:
            await self._recover.wait()
            self._recover.clear()
            pause = RETRY_SECONDS[0]
            while self.mode != "live":
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_SECONDS[1])
                found = await self._probe()
                if found == "live":
                    try:
                        await get_ready()
                    except (HubError, RedisError, OSError):
                        found = "maintenance"
                if found != self.mode:
                    self._enter(found)

    async def _probe(self) -> Mode:
        connection = self._connect()
        try:
            async with asyncio.timeout(PROBE_LATEST_SECONDS):
                await establish(connection)
                return await self._ask(connection)
        except (RedisError, OSError, TimeoutError):
            return "maintenance"
        finally:
            with contextlib.suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)

    async def _ask(self, connection: AbstractConnection) -> Mode:
        await connection.send_command("GET", self._probe_name())  # a store whose disk is full refuses PING as well
        await connection.read_response()
        if not await self.is_trusted(connection):
            return "maintenance"
        try:
            await connection.send_command("SET", self._probe_name(), "1", "EX", "60")
            await connection.read_response()
        except (AskError, ClusterDownError):  # MOVED is a kind of ASK to redis-py: it may not even be read
            return "maintenance"
        except ResponseError:
            return "read_only"
        return "live"


async def _always(_: AbstractConnection) -> bool:
    return True
