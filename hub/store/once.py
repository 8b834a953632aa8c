"""Things that may be used one time only: log-in transactions, bearer tokens of the IdP, tickets, codes."""

from __future__ import annotations

from typing import Literal, TypeAlias

from hub.store import keys
from hub.store.routed import Routed

Purpose: TypeAlias = Literal["transaction", "bearer", "ticket", "logout", "code"]


class Once:
    """Marks that are set or taken by one caller only."""

    def __init__(self, calls: Routed, key: bytes) -> None:
        self._calls, self._key = calls, key

    async def claim(self, purpose: Purpose, value: str, seconds: int) -> bool:
        """Whether this is the first claim of ``value``; remembered for ``seconds``."""
        name = keys.once(self._key, purpose, value)
        return bool(await self._calls.call("SET", name, "1", "NX", "EX", max(1, seconds)))

    async def is_claimed(self, purpose: Purpose, value: str) -> bool:
        """Whether ``value`` was claimed before."""
        return bool(await self._calls.call("EXISTS", keys.once(self._key, purpose, value)))

    async def release(self, purpose: Purpose, value: str) -> None:
        """Let ``value`` be claimed again: what it was for did not happen."""
        await self._calls.call("DEL", keys.once(self._key, purpose, value))

    async def put(self, purpose: Purpose, value: str, content: bytes, seconds: int) -> None:
        """Keep ``content`` under ``value`` until it is taken, ``seconds`` at most."""
        await self._calls.call("SET", keys.once(self._key, purpose, value), content, "EX", seconds)

    async def take(self, purpose: Purpose, value: str) -> bytes | None:
        """The content kept under ``value``, once; afterwards ``value`` counts as claimed for as long as it was kept."""
        name = keys.once(self._key, purpose, value)
        content: bytes | None = await self._calls.call("SET", name, "", "XX", "GET", "KEEPTTL")
        return content or None
