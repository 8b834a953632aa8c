"""The time of one shard of the store on this node: whatever the node's own clock says, deadlines follow the store's."""

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


class Clocks:
    """The clocks of all shards, which should agree and need not: a session's deadlines are judged by the one of the
    shard that holds it. ``of`` gives that; for no session in particular, always the same one."""

    def __init__(self, of: Callable[[str | None], StoreClock]) -> None:
        self._of = of

    def now_ms(self, sid: str | None = None) -> int:
        """Milliseconds since the epoch."""
        return self._of(sid).now_ms()

    def heard(self, sid: str, store_ms: int) -> None:
        """The shard that holds this session said it is ``store_ms`` now."""
        self._of(sid).heard(store_ms)
