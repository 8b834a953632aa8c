"""Whether writes are confirmed at the moment, as the last one that waited for its copies (or the disk) found it.

One that is not confirmed in time has cost its caller seconds. Those behind it, of the same session above all, would
each wait as long for the same news, one after the other. So they are told at once, and nothing of theirs is written,
until somebody who does nothing else has seen a write confirmed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hub.errors import Unconfirmed

AGAIN_SECONDS = 0.1  # beside the time that the write itself waits

log = logging.getLogger("hub.store")


class Confirming:
    """``try_again`` makes one write that waits, and says whether it was confirmed."""

    def __init__(self, try_again: Callable[[], Awaitable[bool]]) -> None:
        self._try_again = try_again
        self._trying: asyncio.Task[None] | None = None

    @property
    def is_lacking(self) -> bool:
        """Whether the last write was not confirmed, and none has been since."""
        return self._trying is not None

    def check(self) -> None:
        """Raise ``Unconfirmed`` while it is so."""
        if self.is_lacking:
            raise Unconfirmed("Nothing was written: the store does not confirm writes for the moment")

    def failed(self) -> None:
        """A write was not confirmed in time."""
        if self._trying is None:
            log.warning("unconfirmed")
            self._trying = asyncio.create_task(self._until_confirmed())

    async def _until_confirmed(self) -> None:
        while self._trying is not None:
            if await self._try_again():
                self._trying = None
                log.warning("confirmed")
            else:
                await asyncio.sleep(AGAIN_SECONDS)

    async def stop(self) -> None:
        """Try no more."""
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.gather(self._trying, return_exceptions=True)
            self._trying = None
