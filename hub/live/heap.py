"""What the garbage collector has to walk through: not every connection again and again.

A connection is some hundred objects that live for hours. Python's full collections walk through all of them, and a
node that takes over thousands would stop for longer and longer. So what has been opened is set aside (``gc.freeze``)
a few connections at a time, and full collections are made here and never in between. Set aside, an object still goes
when nobody refers to it; only cycles would stay. Once as many connections have gone as are open, these are looked for.
"""

from __future__ import annotations

import gc

OPENED_AT_A_TIME = 100
LEAST_GONE = 10_000
YOUNG, MIDDLE, NEVER = 700, 10, 1_000_000_000  # Python's own thresholds, but for the last


class Heap:
    """Counts what comes and goes on one node."""

    def __init__(self) -> None:
        self._opened = 0  # since what is there was set aside last
        self._gone = 0  # since cycles were looked for in everything

    def take_over(self) -> None:
        """From here on this object decides when everything is walked through. For a process that is one node."""
        gc.set_threshold(YOUNG, MIDDLE, NEVER)
        gc.collect()
        self._set_aside()

    def opened(self) -> None:
        """One connection more."""
        self._opened += 1
        if self._opened >= OPENED_AT_A_TIME:
            gc.collect(1)  # what is young and gone already is not to be kept
            self._set_aside()

    def gone(self, left: int) -> None:
        """One connection less; ``left`` are open."""
        self._gone += 1
        if self._gone >= max(LEAST_GONE, left):
            gc.unfreeze()
            self.sweep()
            self._gone = 0

    def sweep(self) -> None:
        """Now and then: look for cycles in what is not set aside, which is little, and set aside what is still used."""
        gc.collect()
        self._set_aside()

    def _set_aside(self) -> None:
        gc.freeze()
        self._opened = 0
