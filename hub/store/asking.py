"""The same question to several servers at once, of which some may be gone or know less than others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

Answer = TypeVar("Answer")


async def ask_all(
    asking: Iterable[Awaitable[Answer]],
    is_enough: Callable[[list[Answer]], bool],
    *,
    never: tuple[type[Exception], ...],
) -> list[Answer]:
    """What they say, until that is enough or all that can have answered; the rest is cancelled.

    Where nobody answers, what the first one objects to is raised, those before others for which no patience helps
    (``never``): a ``RedisError`` or ``OSError``.
    """
    tasks = [asyncio.ensure_future(each) for each in asking]
    found, errors = list[Answer](), list[BaseException]()
    try:
        for answer in asyncio.as_completed(tasks):
            try:
                found.append(await answer)
            except (RedisError, OSError) as error:
                errors.append(error)
            if found and is_enough(found):
                break
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if not found:
        first = [error for error in errors if isinstance(error, never)]
        raise next(iter([*first, *errors]), RedisConnectionError("there is nobody to ask"))
    return found
