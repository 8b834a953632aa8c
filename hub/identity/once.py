"""What identity asks of the store for things that may be used one time only."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from hub.errors import Unauthenticated

Purpose: TypeAlias = Literal["transaction", "bearer", "logout"]


class UsedBefore(Unauthenticated):
    """What counts once was good, and came again."""


class Once(Protocol):
    """Marks that one caller only can set. Raises what the store raises when it cannot be asked."""

    async def claim(self, purpose: Purpose, value: str, seconds: int) -> bool:
        """Whether this is the first claim of ``value``; remembered for ``seconds``."""

    async def is_claimed(self, purpose: Purpose, value: str) -> bool:
        """Whether ``value`` was claimed before."""

    async def release(self, purpose: Purpose, value: str) -> None:
        """Let ``value`` be claimed again: what it was for did not happen."""
