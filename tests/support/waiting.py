"""Waiting for facts that nobody announces: asked again and again, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.01


async def eventually(is_so: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Until the fact holds. Raises ``TimeoutError``."""
    async with asyncio.timeout(seconds):
        while True:
            if await is_so():
                return
            await asyncio.sleep(PAUSE_SECONDS)
