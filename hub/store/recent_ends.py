"""The ends of the last ten minutes, as this node gave them to the store, for a store that may have lost some.

A primary that is promoted knows what reached it. Whoever ended a session has been told so, and that stays true.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

KEPT_SECONDS = 600.0
MOST = 10_000

Call = tuple[list[str], list[str | bytes]]  # keys and arguments of the script that ends


class RecentEnds:
    """Remembers them, the latest ``MOST`` at most."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._kept: deque[tuple[float, Call]] = deque(maxlen=MOST)

    def keep(self, keys: Sequence[str], reason: str, barrier_ms: int, sealed: Sequence[str | bytes]) -> None:
        """One act: keys as the script takes them, sids and sealed endings in turn, and when log-ins that began earlier
        were barred (0: they were not)."""
        self._forget()
        self._kept.append((self._monotonic(), (list(keys), [reason, "again", str(barrier_ms), *sealed])))

    def calls(self) -> Iterator[Call]:
        """Keys and arguments for the script, oldest first: of exactly the sessions that were ended then."""
        self._forget()
        yield from [call for _, call in self._kept]

    def _forget(self) -> None:
        oldest = self._monotonic() - KEPT_SECONDS
        while self._kept and self._kept[0][0] < oldest:
            self._kept.popleft()
