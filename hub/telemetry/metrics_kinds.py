"""The three kinds of metric: counted in plain memory where something happens, carried to where they are read later.

Hot paths pay a dictionary look-up and an addition, whatever stands behind it. ``take`` hands over what was counted
since it was called last. Only the event loop's thread counts and takes.

Label values come from closed lists or from the configuration (``expect``). What is on neither is counted as ``other``:
nothing that a caller sent can become a time series.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import Literal, TypeAlias

OTHER = "other"
Values: TypeAlias = tuple[str, ...]
Across: TypeAlias = Literal["sum", "min", "max"]
"""What one gauge of several workers says together."""


class Metric:
    """A name, what it says, and its labels; an empty list of values is filled from the configuration."""

    def __init__(self, name: str, says: str, **labels: Iterable[str]) -> None:
        self.name, self.says = name, says
        self.labels: dict[str, Values] = {label: tuple(values) for label, values in labels.items()}

    def expect(self, **labels: Iterable[str]) -> None:
        """These values of a label, and no others: they are shown from the beginning, at 0."""
        for label, values in labels.items():
            assert label in self.labels, f"{self.name} has no label {label}"
            self.labels[label] = tuple(values)

    def every(self) -> Iterator[Values]:
        """All label values that are expected, in all combinations."""
        return product(*self.labels.values())

    def known(self, values: Values) -> Values:
        """The same, with ``other`` for what is not expected."""
        expected = self.labels.values()
        return tuple(value if value in known else OTHER for value, known in zip(values, expected, strict=True))


class Counter(Metric):
    """How often. Its name ends in ``_total``."""

    def __init__(self, name: str, says: str, **labels: Iterable[str]) -> None:
        super().__init__(name, says, **labels)
        self._waiting: dict[Values, int] = {}

    def add(self, *values: str, number: int = 1) -> None:
        """Count; one value for each label, in their order."""
        self._waiting[values] = self._waiting.get(values, 0) + number

    def take(self) -> Mapping[Values, int]:
        """What was counted since this was called last."""
        waiting, self._waiting = self._waiting, {}
        return waiting


class Tally:
    """Observations of one time series: how many fell into each bucket (the last one has no bound), and their sum."""

    __slots__ = ("counts", "total")

    def __init__(self, buckets: int) -> None:
        self.counts, self.total = [0] * buckets, 0.0


class Histogram(Metric):
    """How much each time. ``bounds`` are upper bounds, ascending, the last one (infinity) left out."""

    def __init__(self, name: str, says: str, bounds: tuple[float, ...], **labels: Iterable[str]) -> None:
        super().__init__(name, says, **labels)
        self.bounds = bounds
        self._waiting: dict[Values, Tally] = {}

    def observe(self, amount: float, *values: str, times: int = 1) -> None:
        """Count ``amount``, or ``times`` of it at once. Less than nothing is an error of clocks, and counts as 0."""
        if amount < 0:
            amount = 0.0
        tally = self._waiting.get(values)
        if tally is None:
            tally = self._waiting[values] = Tally(len(self.bounds) + 1)
        tally.counts[bisect_left(self.bounds, amount)] += times
        tally.total += amount * times

    def take(self) -> Mapping[Values, Tally]:
        """What was observed since this was called last."""
        waiting, self._waiting = self._waiting, {}
        return waiting


class Gauge(Metric):
    """How it stands: asked for when it is read, of the part that knows. Workers' values are put together by ``across``.

    A reader returns a number, or one for each value of the only label.
    """

    def __init__(self, name: str, says: str, across: Across, **labels: Iterable[str]) -> None:
        super().__init__(name, says, **labels)
        self.across = across
        self._reader: Callable[[], float | Mapping[str, float]] = dict[str, float]

    def read_by(self, reader: Callable[[], float | Mapping[str, float]]) -> None:
        """Ask ``reader`` from now on."""
        self._reader = reader

    def read(self) -> Mapping[Values, float]:
        """The value of each time series now."""
        found = self._reader()
        return {(value,): number for value, number in found.items()} if isinstance(found, Mapping) else {(): found}
