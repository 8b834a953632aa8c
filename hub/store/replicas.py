"""The copies of one shard of the store: how many there are, and whether its primary still reaches any.

A primary that is cut off from its replicas may have been replaced without knowing it, and a node beside it would go on
answering. So every second something is written and has to arrive at a replica; when nothing has for three seconds, the
shard is not trusted until something does, or until most sentinels, or primaries, say that this is the primary.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, ReadOnlyError, RedisError, ResponseError

from hub.core.mode import Mode
from hub.errors import ConfigurationError, HubError
from hub.store.calls import Calls, Reply
from hub.store.connecting import Connect, address_of
from hub.store.store_url import Address

EVERY_SECONDS = 1.0
AGAIN_SECONDS = 0.1  # after one that failed
LEAST_SECONDS = 1.0  # for the first try
LATEST_SECONDS = 3.0
CONFIRM_MS = 900

log = logging.getLogger("hub.store.replicas")


class Replicas:
    """Watches them; keeps ``calls.replicas`` true."""

    def __init__(self, connect: Connect, calls: Calls, on_isolated: Callable[[Mode], None]) -> None:
        self._guide, self._calls, self._on_isolated = connect.guide, calls, on_isolated
        self._are_expected = False  # whether there have been any: where one may be promoted none may just vanish

    # start

    async def check_durability(self) -> None:
        """Raise ``ConfigurationError`` for a durability that this store cannot have; warn of one it has not now."""
        wanted = self._calls.durability
        await self._count()
        if wanted.fsynced:
            try:
                await self._calls.call("WAITAOF", 1, 0, 1)
            except ResponseError as error:
                raise ConfigurationError(f'durability: "fsynced" cannot be had: {_why_not(error)}') from None
        if self._calls.replicas < wanted.replicas:
            log.warning("replicas_missing", extra={"replicas": self._calls.replicas, "wanted": wanted.replicas})
        if wanted.replicas and not await self._has_least_replicas():
            hint = "set min-replicas-to-write, so that a primary that is cut off refuses writes by itself"
            log.warning("replicas_not_required", extra={"hint": hint})

    async def _has_least_replicas(self) -> bool:
        try:
            said = await self._calls.call("INFO", "replication")
        except NoPermissionError:
            return True  # nobody knows
        return b"min_slaves_good_slaves" in said

    # while it runs

    async def run(self, is_live: asyncio.Event) -> None:
        """Write and wait, every second; until cancelled."""
        while True:
            await is_live.wait()
            await self._watch(is_live)

    async def _watch(self, is_live: asyncio.Event) -> None:
        """Until the store is not trusted any more, for this reason or another. Tries may take long where packets get
        lost, so the time is up in the middle of one; but a node that stood still itself tries once before it judges."""
        loop = asyncio.get_running_loop()
        latest, has_failed = loop.time() + LATEST_SECONDS, False
        while is_live.is_set():
            now = loop.time()
            if has_failed and now > latest - AGAIN_SECONDS:
                log.warning("replicas_unreachable", extra={"seconds": LATEST_SECONDS})
                self._on_isolated("maintenance")
                return
            if await self._is_confirmed_by(latest if has_failed else max(latest, now + LEAST_SECONDS)):
                latest, has_failed = loop.time() + LATEST_SECONDS, False
                await asyncio.sleep(EVERY_SECONDS)
            else:
                has_failed = True
                await asyncio.sleep(AGAIN_SECONDS)

    async def _is_confirmed_by(self, when: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(when):
                return await self._is_confirmed()
        return False

    async def _is_confirmed(self) -> bool:
        try:
            await self._count()
            if not self._may_be_isolated:
                return True
            answered = await self._calls.call_to_any("SET", self._calls.probe(), "1", "EX", "60")
        except (HubError, ResponseError):
            return False
        if _is_at_one(answered.copies):
            return True
        return self._guide is not None and await self._is_vouched_for(self._guide.current)

    async def _count(self) -> None:
        try:
            self._heard(await self._calls.call("ROLE"))
        except NoPermissionError:
            return

    def _heard(self, role: Reply) -> None:
        count = len(role[2]) if role[0] == b"master" else 0
        self._are_expected = self._are_expected or (self._guide is not None and count > 0)
        self._calls.replicas = max(count, int(self._are_expected))  # those that are gone have confirmed nothing

    @property
    def _may_be_isolated(self) -> bool:
        return self._calls.replicas > 0

    async def _is_vouched_for(self, address: Address | None) -> bool:
        if self._guide is None or address is None:
            return False
        if await self._guide.do_most_name(address):
            return True
        with contextlib.suppress(RedisError, OSError):
            await self._guide.primary()  # if another one is by now, that is told to whom it concerns
        return False

    # on the way back

    async def is_trusted(self, connection: AbstractConnection) -> bool:
        """Whether the primary at the other end reaches a replica, or has none to reach. Raises ``RedisError``."""
        try:
            self._heard(await _ask(connection, "ROLE"))
            if not self._may_be_isolated:
                return True
            await _ask(connection, "SET", self._calls.probe(), "1", "EX", "60")
            copies = await _ask(connection, "WAIT", 1, CONFIRM_MS)
        except ReadOnlyError:
            return self._guide is None  # a replica that was named as the store can be read; one that became one, not
        except NoPermissionError:
            return True
        except RedisConnectionError:
            raise
        except ResponseError:
            copies = 0
        return _is_at_one(copies) or await self._is_vouched_for(address_of(connection))


def _is_at_one(copies: Reply) -> bool:
    return isinstance(copies, int) and copies >= 1


async def _ask(connection: AbstractConnection, *command: str | int) -> Reply:
    await connection.send_command(*command)
    return await connection.read_response()


def _why_not(error: ResponseError) -> str:
    if "unknown command" in str(error):
        return "the store is older than 7.2"
    if isinstance(error, NoPermissionError):
        return "the store's user may not use WAITAOF"
    return "the store keeps no append-only file (set appendonly yes)"
