"""The store's time on this node: whatever the node's own clock says, deadlines follow the store's."""

from __future__ import annotations

import time
from collections.abc import Callable


class StoreClock:
    """Remembers what the store's clock said last, and counts on from there with a monotonic clock."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._ahead_ms = round((wall() - monotonic()) * 1000)

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return round(self._monotonic() * 1000) + self._ahead_ms

    def heard(self, store_ms: int) -> None:
        """The store said it is ``store_ms`` now (or was, when it answered)."""
        self._ahead_ms = store_ms - round(self._monotonic() * 1000)
