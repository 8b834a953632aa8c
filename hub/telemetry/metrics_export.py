"""Metrics as Prometheus reads them: the only place that knows ``prometheus_client``.

One process: what was counted is carried over when it is asked for. Several workers: each carries its own over every
second into files of a common folder (the library's multi-process mode), and the parent puts them together when it is
asked. A worker's files bear the number of its place, not of its process: whoever follows a dead worker counts on where
that stopped, so no counter ever falls and the folder does not grow. Gauges of a dead worker vanish with it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import prometheus_client as prometheus
from prometheus_client import multiprocess, values
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from hub.telemetry import metrics
from hub.telemetry.metrics_kinds import Counter, Gauge, Histogram, Metric, Tally, Values

PATH = "/metrics"

prometheus.disable_created_metrics()  # a time series more for each there is, which nobody asks for

Endpoint: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""


class _Histogram(prometheus.Histogram):
    """The library's, which takes many observations at once."""

    def add(self, tally: Tally) -> None:
        self._sum.inc(tally.total)
        for bucket, number in zip(self._buckets, tally.counts, strict=True):
            if number:
                bucket.inc(number)


class Exporter:
    """Carries what was counted in this process over to ``registry``. ``which``: those metrics and no others."""

    def __init__(self, which: Sequence[Metric]) -> None:
        self.registry = prometheus.CollectorRegistry()
        self._counters = [(each, self._counter(each)) for each in which if isinstance(each, Counter)]
        self._histograms = [(each, self._histogram(each)) for each in which if isinstance(each, Histogram)]
        self._gauges = [(each, self._gauge(each)) for each in which if isinstance(each, Gauge)]
        self._shown: dict[str, set[Values]] = {each.name: set() for each, _ in self._gauges}

    def flush(self) -> None:
        """Carry over what was counted since the last time, and ask the gauges."""
        for counter, shown in self._counters:
            for labels, number in counter.take().items():
                _at(shown, counter.known(labels)).inc(number)
        for histogram, shown_histogram in self._histograms:
            for labels, tally in histogram.take().items():
                _at(shown_histogram, histogram.known(labels)).add(tally)
        for gauge, shown_gauge in self._gauges:
            self._set(gauge, shown_gauge)

    def _set(self, gauge: Gauge, shown: prometheus.Gauge) -> None:
        found = gauge.read()
        before = self._shown[gauge.name]
        for labels in before - found.keys():
            _at(shown, labels).set(0)
        for labels, number in found.items():
            _at(shown, labels).set(number)
        before.update(found)

    # what is expected is there from the beginning: a rate needs a zero to start from

    def _counter(self, counter: Counter) -> prometheus.Counter:
        shown = prometheus.Counter(counter.name, counter.says, list(counter.labels), registry=self.registry)
        for labels in counter.every():
            _at(shown, labels)
        return shown

    def _histogram(self, histogram: Histogram) -> _Histogram:
        shown = _Histogram(
            histogram.name, histogram.says, list(histogram.labels), registry=self.registry, buckets=histogram.bounds
        )
        for labels in histogram.every():
            _at(shown, labels)
        return shown

    def _gauge(self, gauge: Gauge) -> prometheus.Gauge:
        names = list(gauge.labels)
        mode: Any = f"live{gauge.across}"
        return prometheus.Gauge(gauge.name, gauge.says, names, registry=self.registry, multiprocess_mode=mode)


def _at(shown: Any, labels: Values) -> Any:
    """The time series of these label values."""
    return shown.labels(*labels) if labels else shown


class Processes(Collector):
    """CPU, memory and open files (``process_…``) of processes by name; ``""`` is one that needs none."""

    def __init__(self, pids: Callable[[], Mapping[str, int]]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Family]:
        """One family of each, with a sample for each process that lives."""
        families: dict[str, Family] = {}
        for name, pid in self._pids().items():
            found = prometheus.ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect()  # type: ignore[misc]
            for each in found:
                family = families.setdefault(each.name, Family(each.name, each.documentation, each.type))
                for sample in each.samples:
                    labels = {**sample.labels, **({"worker": name} if name else {})}
                    family.add_sample(sample.name, labels, sample.value)
        yield from families.values()


def of_one_process() -> Endpoint:
    """What answers scrapes of this process."""
    values.ValueClass = values.MutexValue  # whatever the environment says
    exporter = Exporter(metrics.ALL)
    exporter.registry.register(Processes(lambda: {"": os.getpid()}))
    return endpoint(exporter.registry, exporter.flush)


def of_a_worker(folder: Path, number: int) -> Exporter:
    """For one of several workers: ``flush`` writes into ``folder``. No two that run have the same ``number``."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: number)
    return Exporter([each for each in metrics.ALL if each not in metrics.OF_A_PARENT])


def of_a_parent(folder: Path, pids: Callable[[], Mapping[str, int]]) -> Endpoint:
    """What answers scrapes of all workers that write into ``folder``; ``pids``: whose ``process_…`` it tells."""
    values.ValueClass = values.MutexValue
    exporter = Exporter(metrics.OF_A_PARENT)
    multiprocess.MultiProcessCollector(exporter.registry, path=str(folder))
    exporter.registry.register(Processes(pids))
    return endpoint(exporter.registry, exporter.flush)


def forget_worker(folder: Path, number: int) -> None:
    """A worker has stopped: its gauges say nothing any more."""
    multiprocess.mark_process_dead(number, str(folder))


def endpoint(registry: prometheus.CollectorRegistry, before: Callable[[], None]) -> Endpoint:
    """``GET /metrics`` and nothing else; ``before`` is called first. Formats and compression as Prometheus asks."""
    shown = prometheus.make_asgi_app(registry)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != PATH:
            await _refuse(send, 404, ())
        elif scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, [(b"allow", b"GET, HEAD")])
        else:
            before()
            await shown(scope, receive, send)

    return answer


async def _refuse(send: Any, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
