"""Ending tasks for certain. ``asyncio.wait_for`` before Python 3.12 can lose a cancellation, and redis-py calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.1


async def cancel(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    """Cancel them, and again, until they are done; what they raised is not minded."""
    left = {task for task in tasks if task is not None}
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
        await asyncio.gather(*done, return_exceptions=True)
