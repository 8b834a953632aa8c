"""How connections to a store are made from its URL. No retries here: a resent script would answer
``conflict`` to its own success. And no second best: a store that cannot prove who it is, is no store."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from redis.asyncio.connection import AbstractConnection, ConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hub.errors import ConfigurationError

Connect: TypeAlias = Callable[[], AbstractConnection]

CONNECT_SECONDS = 1.0
CALL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class StoreTls:
    """Whose word counts for who the store is (``None``: the system's authorities), and what this node shows of itself.

    Files in PEM. ``key_file`` may be left out where ``cert_file`` holds both.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, with the store's certificate and host name checked. Raises ``ConfigurationError``."""
        file = self.ca_file
        try:
            made = ssl.create_default_context(cafile=file)
            if (file := self.cert_file) is not None:
                made.load_cert_chain(file, self.key_file)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(f"{file}: no usable certificate ({error.strerror or 'not PEM'})") from None
        return made


def connector(url: str, tls: StoreTls | None = None) -> Connect:
    """Something that makes a new, not yet connected connection. ``url`` as in the configuration.

    Raises ``ConfigurationError`` for certificates that cannot be used.
    """
    pool = ConnectionPool.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=CALL_SECONDS,
        driver_info=None,
    )
    context = (tls or StoreTls()).context() if url.startswith("rediss") else None

    def new_connection() -> AbstractConnection:
        connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
        if isinstance(connection, SSLConnection):
            connection.ssl_context.context = context  # one for all: making one reads files
        return connection

    return new_connection


async def establish(connection: AbstractConnection) -> None:
    """Connect and greet. Raises ``RedisError`` or ``OSError``."""
    await connection.connect()  # type: ignore[no-untyped-call]


async def check(connect: Connect) -> None:
    """Raise ``ConfigurationError`` where no patience helps: a store that is not trusted, or that does not trust us."""
    connection = connect()
    is_greeted = False
    try:
        await establish(connection)
        is_greeted = True
        await connection.send_command("PING")  # a server that wants to see a certificate hangs up only now
        await connection.read_response()
    except (RedisError, OSError) as error:
        if (said := _why_never(error, is_tls=isinstance(connection, SSLConnection), is_greeted=is_greeted)) is not None:
            raise ConfigurationError(f"store_url: {said}") from None
    finally:
        await connection.disconnect(nowait=True)


def _why_never(error: BaseException, *, is_tls: bool, is_greeted: bool) -> str | None:
    for cause in _chain(error):
        match cause:
            case AuthenticationError():
                return "the store refuses this user and password"
            case ssl.SSLCertVerificationError():
                return f"the store's certificate is not accepted: {cause.verify_message}"
            case ssl.SSLError():
                reason = (cause.reason or "the handshake failed").replace("_", " ").lower()
                return f"no TLS connection to the store: {reason}"
            case RedisTimeoutError() | ConnectionResetError() if is_tls and not is_greeted:
                return "no TLS connection to the store: it does not answer, or not in TLS"
            case BusyLoadingError():
                return None
            case RedisConnectionError() if is_tls and is_greeted:
                return "no TLS connection to the store: it hangs up; it may want to see a store_cert_file"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
