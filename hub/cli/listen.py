"""The listening socket: bound once, by the process that was started, and handed to whoever accepts on it."""

import random
import socket

from hub.cli import CommandError
from hub.settings import split_bind

BACKLOG = 16_384  # as many as the system allows (net.core.somaxconn): what does not fit tries again after 1, 3, 7 s
ACCEPTED_AT_A_TIME = 4
NOT_EPHEMERAL = range(10_240, 32_768)  # Linux and others give connections higher ones


def listen(bind: str) -> socket.socket:
    """A socket bound to ``host:port``. :class:`CommandError` if the address cannot be had."""
    host, port = split_bind(bind)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CommandError(f"{bind}: {_reason(error)}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CommandError(f"{bind}: {_reason(error)}") from None
    listener.setblocking(False)
    return listener


def accepting(listener: socket.socket) -> list[socket.socket]:
    """The same socket several times: the event loop takes one connection a turn from each.

    One alone is too few where a turn takes a millisecond and thousands come at once; all at once would be too many.
    They share one open file with every other worker: it must not wait in ``accept``, not even while this one starts.
    """
    listener.setblocking(False)  # ``dup`` gives on what this object knows, and sets it for all
    return [listener, *(listener.dup() for _ in range(ACCEPTED_AT_A_TIME - 1))]


def bound_to(listener: socket.socket) -> str:
    """``host:port`` a socket really has."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url_of(listener: socket.socket, tls: bool) -> str:
    """The base URL under which this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def is_free(port: int) -> bool:
    """Whether a loopback port can be bound now."""
    try:
        listen(f"127.0.0.1:{port}").close()
    except CommandError:
        return False
    return True


def free_port() -> int:
    """A loopback port that nobody has at the moment, and that no outgoing connection is given before it is used."""
    return next(filter(is_free, random.SystemRandom().sample(NOT_EPHEMERAL, len(NOT_EPHEMERAL))))


def _reason(error: OSError) -> str:
    return (error.strerror or "cannot be used").lower()
