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

from hub.errors import ConfigurationError, Maintenance
from hub.store.guide import Guide, connection_to_primary
from hub.store.sentinels import NoSuchPrimary, Sentinels
from hub.store.store_url import Address, StoreUrl
from hub.store.topology import NoCluster, NotAllowed, Topology, View

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
    """Makes a new, not yet connected connection. ``guide``: who says where to, where that may change."""

    guide: Guide | None

    def __call__(self) -> AbstractConnection: ...


class Connector:
    """One made of a function."""

    def __init__(self, make: Callable[[], AbstractConnection], guide: Guide | None = None) -> None:
        self._make, self.guide = make, guide

    def __call__(self) -> AbstractConnection:
        return self._make()


def connector(url: str, tls: StoreTls | None = None) -> Connect:
    """How to connect to the one primary of a store that is no cluster. ``url`` as in the configuration.

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
    return Connector(lambda: _with_tls(pool.make_connection(), context))  # type: ignore[no-untyped-call]


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
    return Connector(
        lambda: _with_tls(connection_to_primary(sentinels, is_tls=at.is_tls, **options, **for_data), context), sentinels
    )


class Ways:
    """How to connect to the servers of a cluster: ``redis+cluster://user:password@host:port,host``, where the hosts are
    only those to ask first. Raises ``ConfigurationError`` for certificates that cannot be used."""

    def __init__(self, at: StoreUrl, tls: StoreTls | None = None) -> None:
        self.is_tls = at.is_tls
        self._context = (tls or StoreTls()).context() if at.is_tls else None
        self._options = _options() | {"driver_info": None, "username": at.username, "password": at.password}
        self.topology = Topology(at.hosts, self._to_server, is_tls=at.is_tls)

    def _to_server(self, address: Address) -> AbstractConnection:
        kind = SSLConnection if self.is_tls else Connection
        return _with_tls(kind(host=address[0], port=address[1], **self._options), self._context)

    def to_primary(self, guide: Guide) -> Connect:
        """To whichever server is a shard's primary by then."""

        def make() -> AbstractConnection:
            return _with_tls(connection_to_primary(guide, is_tls=self.is_tls, **self._options), self._context)

        return Connector(make, guide)

    def to_server(self, address: Address) -> Connect:
        """To one that was named, whatever it is."""
        return Connector(lambda: self.topology.connect(address))

    async def first_view(self) -> View:
        """What the cluster says of itself. Raises ``ConfigurationError`` where no patience helps, else ``Maintenance``
        for one that does not answer."""
        try:
            return await self.topology.ask()
        except (RedisError, OSError) as error:
            if (said := _why_never(error, is_tls=self.is_tls, is_greeted=False)) is not None:
                raise ConfigurationError(f"store_url: {said}") from None
            raise Maintenance from None


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


async def check(connect: Connect) -> bool:
    """Whether it answers. Raises ``ConfigurationError`` where no patience helps: a store that is not trusted, or that
    does not trust us."""
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
        return False
    finally:
        await connection.disconnect(nowait=True)
    return True


def _why_never(error: BaseException, *, is_tls: bool, is_greeted: bool) -> str | None:
    for cause in _chain(error):
        match cause:
            case NoSuchPrimary():
                return "the sentinels watch no primary of this name"
            case NoCluster():
                return "the store is no cluster; name it with redis:// or rediss://"
            case NotAllowed():
                return f"{cause}; allow it: ACL SETUSER … +cluster|info +cluster|slots"
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
