"""What the garbage collector has to walk through: not every connection again and again.

A connection is some hundred objects that live for hours. Python's full collections walk through all of them, and a
node that takes over thousands would stop for longer and longer. So what has been opened is set aside (``gc.freeze``)
a few connections at a time, and full collections are made here and never in between. Set aside, an object still goes
when nobody refers to it; only cycles would stay. Once as many connections have gone as are open, these are looked for,
or after an hour in which other things had to be set aside.
"""

from __future__ import annotations

import gc
import time

OPENED_AT_A_TIME = 100
LEAST_GONE = 10_000
LONGEST_SWEEP_SECONDS = 0.01
MOST_SWEEPS = 120  # that had to set something aside
YOUNG, MIDDLE, NEVER = 700, 10, 1_000_000_000  # Python's own thresholds, but for the last


class Heap:
    """Counts what comes and goes on one node."""

    def __init__(self) -> None:
        self._opened = 0  # since what is there was set aside last
        self._gone = self._long_sweeps = 0  # since cycles were looked for in everything

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
            self._look_everywhere()

    def sweep(self) -> None:
        """Now and then: look for cycles in what is not set aside. Where that takes long, it was no garbage mostly."""
        began = time.perf_counter()
        gc.collect()
        if time.perf_counter() - began > LONGEST_SWEEP_SECONDS:
            self._set_aside()
            self._long_sweeps += 1
        if self._long_sweeps >= MOST_SWEEPS:
            self._look_everywhere()

    def _look_everywhere(self) -> None:
        gc.unfreeze()
        gc.collect()
        self._gone = self._long_sweeps = 0
        self._set_aside()

    def _set_aside(self) -> None:
        gc.freeze()
        self._opened = 0
