"""How connections to a store are made from its URL. No retries here: a resent script would answer
``conflict`` to its own success. And no second best: a store that cannot prove who it is, is no store."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio.connection import AbstractConnection, Connection, ConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hub.errors import ConfigurationError
from hub.store.sentinels import Address, NoSuchPrimary, Sentinels, connection_to_primary

SENTINEL_PORT = 26379
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
    context = (tls or StoreTls()).context() if url.startswith("rediss") else None
    if urlsplit(url).scheme.endswith("+sentinel"):
        return _sentinel_connector(url, context)
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


def _sentinel_connector(url: str, context: ssl.SSLContext | None) -> Connect:
    """``redis+sentinel://user:password@host:port,host/name``: user and password are for the servers that hold data;
    sentinels are shown ``sentinel_username`` and ``sentinel_password`` of the query."""
    parts = urlsplit(url)
    user, query = parts.netloc.rpartition("@")[0], dict(parse_qsl(parts.query))
    username, _, password = (unquote(part) for part in user.partition(":"))
    options = _options() | {"driver_info": None}
    for_sentinels = _credentials(query.get("sentinel_username", ""), query.get("sentinel_password", ""))
    for_data = _credentials(query.get("username", username), query.get("password", password))
    is_tls = context is not None
    kind = SSLConnection if is_tls else Connection

    def to_sentinel(address: Address) -> AbstractConnection:
        made = kind(host=address[0], port=address[1], **options, **for_sentinels)
        return _with_tls(made, context)

    addresses = [_address(text) for text in parts.netloc.rpartition("@")[2].split(",")]
    sentinels = Sentinels(addresses, unquote(parts.path.strip("/")), to_sentinel, is_tls=is_tls)
    for_data |= options | {"db": int(query.get("db", 0))}
    return _Connector(
        lambda: _with_tls(connection_to_primary(sentinels, is_tls=is_tls, **for_data), context), sentinels
    )


def _credentials(username: str, password: str) -> dict[str, Any]:
    return {"username": username or None, "password": password or None}


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    return host.strip("[]"), int(port or SENTINEL_PORT)


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
