"""How connections to a store are made from its URL. No retries here: a resent script would answer
``conflict`` to its own success."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

Connect: TypeAlias = Callable[[], AbstractConnection]

CONNECT_SECONDS = 1.0
CALL_SECONDS = 2.0


def connector(url: str) -> Connect:
    """Something that makes a new, not yet connected connection. ``url`` as in the configuration."""
    pool = ConnectionPool.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=CALL_SECONDS,
        driver_info=None,
    )

    def new_connection() -> AbstractConnection:
        connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
        return connection

    return new_connection


async def establish(connection: AbstractConnection) -> None:
    """Connect and greet. Raises ``RedisError`` or ``OSError``."""
    await connection.connect()  # type: ignore[no-untyped-call]
