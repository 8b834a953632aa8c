"""How a server lets a live connection wait for its turn while it costs next to nothing.

The server asks the application (``state.enter(target)``) before it builds anything for an upgrade; what it is given
travels in the request's ``state`` under ``OPENING`` and is given back at the latest when the connection is lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

OPENING = "hub.opening"


class Arrival(Protocol):
    """A turn to open in, and a place."""

    def over(self) -> None:
        """Give them back, if that was not done."""


Enter: TypeAlias = Callable[[bytes], Awaitable[Arrival] | None]
"""By request target (RFC 9112 §3.2): the wait for a turn, which may raise ``HubError``; ``None``: no need to wait."""
