"""What the metrics of this process were told, from one moment to the next. Nothing exports them where tests run."""

from __future__ import annotations

from collections.abc import Mapping

from hub.telemetry.metrics_kinds import Counter, Histogram, Tally, Values


def forget(*which: Counter | Histogram) -> None:
    """Begin at nothing."""
    for each in which:
        each.take()


def counted(counter: Counter) -> Mapping[Values, int] | int:
    """What was counted since; a number for a counter without labels."""
    found = counter.take()
    return found if counter.labels else sum(found.values())


def observed(histogram: Histogram, *labels: str) -> Tally:
    """What was observed since."""
    return histogram.take().get(labels, Tally(len(histogram.bounds) + 1))
