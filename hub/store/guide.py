"""Connections that ask where to go when they connect, and then whether they have come to the right place.

Who is asked (sentinels, a cluster) is a guide; its word is never enough: the server named has to say itself that it is
a primary. And what leaves this machine is encrypted, whoever names the server.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Protocol

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from hub.store.store_url import Address


class Guide(Protocol):
    """Knows which server is a primary now. ``on_moved`` is called when it is another one than before."""

    current: Address | None
    on_moved: Callable[[], None]

    async def primary(self) -> Address:
        """Where it is. Raises ``RedisConnectionError``, or what those who are asked object to."""

    async def do_most_name(self, address: Address) -> bool:
        """Whether most of those who may say so, of all there are, can be reached and hold this one for the primary."""


def check_stays_here(address: Address, *, is_tls: bool, whose: str) -> None:
    """Raise ``RedisConnectionError`` for a server on another machine that would be spoken to in plaintext."""
    if not is_tls and not _is_loopback(address[0]):
        raise RedisConnectionError(f"{whose} a server on another machine, which needs TLS")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _ToPrimary(Connection):
    def __init__(self, *, guide: Guide, **options: Any) -> None:
        super().__init__(**options)
        self._guide = guide

    async def _connect(self) -> None:
        self.host, self.port = await self._guide.primary()
        await super()._connect()  # type: ignore[no-untyped-call]

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        """After the greeting: ``ROLE``."""
        await super().on_connect_check_health(check_health=check_health)
        await self.send_command("ROLE")
        said = await self.read_response()
        if said[0] != b"master":
            raise RedisConnectionError("the server that was named is no primary")


class _ToPrimaryOverTls(_ToPrimary, SSLConnection):
    """The same over TLS."""


def connection_to_primary(guide: Guide, *, is_tls: bool, **options: Any) -> AbstractConnection:
    """A new, not yet connected connection to whichever server is the primary by then."""
    kind = _ToPrimaryOverTls if is_tls else _ToPrimary
    return kind(guide=guide, **options)
