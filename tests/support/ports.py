"""Ports of this machine."""

from __future__ import annotations

import random
import socket

NOT_EPHEMERAL = range(10_240, 32_768)
_NEXT = iter(random.SystemRandom().sample(NOT_EPHEMERAL, len(NOT_EPHEMERAL)))


def free_port() -> int:
    """One that nobody listens on now, that no outgoing connection is given, and that this process was not given before:
    whoever asked for it can take its time."""
    return next(port for port in _NEXT if is_free(port))


def is_free(port: int) -> bool:
    """Whether it can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_open(port: int) -> bool:
    """Whether somebody listens there now."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
