"""How connections to a store are made from its URL. No retries here: a resent script would answer
``conflict`` to its own success. And no second best: a store that cannot prove who it is, is no store."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from redis.asyncio.connection import AbstractConnection, Connection, ConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hub.errors import ConfigurationError
from hub.store.sentinels import NoSuchPrimary, Sentinels, connection_to_primary
from hub.store.store_url import Address, StoreUrl

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


class Connect(Protocol):
    """Makes a new, not yet connected connection. ``sentinels``: who says where to, where that may change."""

    sentinels: Sentinels | None

    def __call__(self) -> AbstractConnection: ...


class _Connector:
    def __init__(self, make: Callable[[], AbstractConnection], sentinels: Sentinels | None = None) -> None:
        self._make, self.sentinels = make, sentinels

    def __call__(self) -> AbstractConnection:
        return self._make()


def connector(url: str, tls: StoreTls | None = None) -> Connect:
    """Something that makes a new, not yet connected connection. ``url`` as in the configuration.

    Raises ``ConfigurationError`` for certificates that cannot be used.
    """
    at = StoreUrl.parse(url)
    context = (tls or StoreTls()).context() if at.is_tls else None
    if at.kind == "sentinel":
        return _sentinel_connector(at, context)
    pool = ConnectionPool.from_url(
        url,
        driver_info=None,
        **_options(),
    )
    return _Connector(lambda: _with_tls(pool.make_connection(), context))  # type: ignore[no-untyped-call]


def _options() -> dict[str, Any]:
    return {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": CALL_SECONDS,
    }


def _with_tls(connection: AbstractConnection, context: ssl.SSLContext | None) -> AbstractConnection:
    if isinstance(connection, SSLConnection) and context is not None:
        connection.ssl_context.context = context  # one for all: making one reads files
    return connection


def _sentinel_connector(at: StoreUrl, context: ssl.SSLContext | None) -> Connect:
    """``redis+sentinel://user:password@host:port,host/name``: user and password are for the servers that hold data;
    sentinels are shown ``sentinel_username`` and ``sentinel_password`` of the query."""
    options = _options() | {"driver_info": None}
    for_sentinels: dict[str, Any] = {
        "username": at.query.get("sentinel_username"),
        "password": at.query.get("sentinel_password"),
    }
    for_data: dict[str, Any] = {"username": at.username, "password": at.password, "db": at.database}
    kind = SSLConnection if at.is_tls else Connection

    def to_sentinel(address: Address) -> AbstractConnection:
        made = kind(host=address[0], port=address[1], **options, **for_sentinels)
        return _with_tls(made, context)

    sentinels = Sentinels(at.hosts, at.name, to_sentinel, is_tls=at.is_tls)
    return _Connector(
        lambda: _with_tls(connection_to_primary(sentinels, is_tls=at.is_tls, **options, **for_data), context), sentinels
    )


async def establish(connection: AbstractConnection) -> None:
    """Connect and greet. Raises ``RedisError`` or ``OSError``."""
    await connection.connect()  # type: ignore[no-untyped-call]


def address_of(connection: AbstractConnection | None) -> Address | None:
    """The server at the other end, where it has one."""
    host, port = getattr(connection, "host", None), getattr(connection, "port", 0)
    return None if host is None else (host, port)


async def cut(connection: AbstractConnection) -> None:
    """Close it so that whoever reads from it notices at once. Over TLS an ordinary close waits half a minute for an
    answer that never comes where packets get lost."""
    writer: asyncio.StreamWriter | None = connection._writer  # noqa: SLF001 - redis-py only ever closes politely
    if writer is not None:
        writer.transport.abort()
    await connection.disconnect(nowait=True)


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
            case NoSuchPrimary():
                return "the sentinels watch no primary of this name"
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
