"""Waiting for facts that nobody announces: asked again and again, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.01


async def eventually(is_so: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Until the fact holds. Raises ``TimeoutError``."""
    async with asyncio.timeout(seconds):
        while True:
            if await is_so():
                return
            await asyncio.sleep(PAUSE_SECONDS)


def becomes(is_so: Callable[[], bool], seconds: float) -> bool:
    """Whether the fact holds within this time; for tests that have no event loop."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True
