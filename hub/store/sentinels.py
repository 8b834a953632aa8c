"""Which server is the primary now: asked of the sentinels for every new connection, and never taken on trust.

The answer with the newest configuration counts, as soon as most sentinels have answered; an older one than was known
already only where most have answered, and none has a newer one. And the server named has to say itself that it is a
primary.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from hub.store.asking import ask_all
from hub.store.guide import check_stays_here
from hub.store.store_url import Address

Answer: TypeAlias = tuple[int, Address]  # with the epoch of the configuration: the highest is the newest

ASK_SECONDS = 1.0
NO_SUCH = "No such master"


class NoSuchPrimary(RedisConnectionError):
    """The sentinels can be reached, and watch nothing of this name."""


class Sentinels:
    """The sentinels of one primary. ``on_moved`` is called when the answer is another one than before."""

    def __init__(
        self, addresses: Sequence[Address], name: str, connect: Callable[[Address], AbstractConnection], *, is_tls: bool
    ) -> None:
        self.addresses, self.name, self._is_tls = addresses, name, is_tls
        self._connect = connect
        self.current: Address | None = None
        self._epoch = -1
        self.on_moved: Callable[[], None] = lambda: None

    async def primary(self) -> Address:
        """Where it is. Raises ``RedisConnectionError``, or what the sentinels object to."""

        def is_enough(found: list[Answer]) -> bool:
            return len(found) * 2 > len(self.addresses) and max(found)[0] >= self._epoch

        found = await self._ask(is_enough)
        if len(found) * 2 <= len(self.addresses) and max(found)[0] < self._epoch:
            raise RedisConnectionError("the few sentinels that answer have not heard of the newest primary")
        self._epoch, address = max(found)
        check_stays_here(address, is_tls=self._is_tls, whose="the sentinels name")
        before, self.current = self.current, address
        if before is not None and before != address:
            self.on_moved()
        return address

    async def do_most_name(self, address: Address) -> bool:
        """Whether most sentinels, of all there are, can be reached and hold this one for the primary."""

        def do_most(found: list[Answer]) -> bool:
            return sum(each == address for _, each in found) * 2 > len(self.addresses)

        try:
            return do_most(await self._ask(do_most))
        except (RedisError, OSError):
            return False

    async def _ask(self, is_enough: Callable[[list[Answer]], bool]) -> list[Answer]:
        asking = map(self._ask_one, self.addresses)
        return await ask_all(asking, is_enough, never=(AuthenticationError, NoSuchPrimary))

    async def _ask_one(self, address: Address) -> Answer:
        connection = self._connect(address)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command("SENTINEL", "MASTER", self.name)
                said = await connection.read_response()
        except NoPermissionError as error:
            raise AuthenticationError(str(error)) from None
        except ResponseError as error:
            raise (NoSuchPrimary(self.name) if NO_SUCH in str(error) else RedisConnectionError(str(error))) from None
        finally:
            await connection.disconnect(nowait=True)
        return _read(said)


def _read(said: Any) -> Answer:
    """What ``SENTINEL MASTER`` says: names and values in turn."""
    try:
        facts = dict(zip(said[::2], said[1::2], strict=True))
        return int(facts[b"config-epoch"]), (facts[b"ip"].decode(), int(facts[b"port"]))
    except (KeyError, TypeError, ValueError):
        raise RedisConnectionError("a sentinel does not answer as one") from None
