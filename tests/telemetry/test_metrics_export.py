"""What Prometheus reads: of one process, and of several workers that come and go."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from hub.telemetry import metrics, metrics_export
from hub.telemetry.metrics_export import Endpoint, Exporter, Processes, endpoint
from hub.telemetry.metrics_kinds import Counter, Gauge, Histogram


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What tests set for this process is put back."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/nonexistent")  # somebody else's, and of no effect here
    before = values.ValueClass
    values.ValueClass = values.MutexValue
    yield
    values.ValueClass = before


@pytest.fixture
def fruit() -> Counter:
    return Counter("hub_fruit_total", "Fruit.", kind=("apple", "pear"))


async def asked(app: Endpoint, path: str = "/metrics", method: str = "GET") -> tuple[int, bytes]:
    """Status and body."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": [], "query_string": b""}
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent)


async def samples(app: Endpoint) -> Mapping[str, float]:
    """``name{labels}`` → value, read with the library's own parser."""
    status, body = await asked(app)
    assert status == 200
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def exported(*which: Counter | Gauge | Histogram) -> Endpoint:
    exporter = Exporter(which)
    return endpoint(exporter.registry, exporter.flush)


async def test_what_was_counted_is_there_when_it_is_asked_for(fruit: Counter) -> None:
    """Zeros from the beginning; then each count once, however often it is read; made-up words under ``other``."""
    app = exported(fruit)
    assert await samples(app) == {"hub_fruit_total{kind=apple}": 0, "hub_fruit_total{kind=pear}": 0}
    fruit.add("apple", number=2)
    for _ in range(2):
        assert (await samples(app))["hub_fruit_total{kind=apple}"] == 2
    fruit.add("apple")
    fruit.add("sid-of-ada")
    found = await samples(app)
    assert found == {
        "hub_fruit_total{kind=apple}": 3,
        "hub_fruit_total{kind=pear}": 0,
        "hub_fruit_total{kind=other}": 1,
    }


async def test_a_histogram_says_how_many_were_at_most_that_much() -> None:
    """Cumulative buckets, count and sum."""
    times = Histogram("hub_times_seconds", "Times.", (0.1, 1.0))
    app = exported(times)
    times.observe(0.05, times=3)
    times.observe(0.5)
    times.observe(2.0)
    found = await samples(app)
    assert [found[f"hub_times_seconds_bucket{{le={bound}}}"] for bound in ("0.1", "1.0", "+Inf")] == [3, 4, 5]
    assert found["hub_times_seconds_count{}"] == 5
    assert found["hub_times_seconds_sum{}"] == pytest.approx(2.65)


async def test_a_gauge_forgets_the_label_it_had() -> None:
    """A key that is no longer active is at 0, and not for ever at 1."""
    active = Gauge("hub_active", "Keys.", "max", kid=())
    app = exported(active)
    active.read_by(lambda: {"old": 1})
    assert await samples(app) == {"hub_active{kid=old}": 1}
    active.read_by(lambda: {"new": 1})
    assert await samples(app) == {"hub_active{kid=old}": 0, "hub_active{kid=new}": 1}


async def test_nothing_else_is_answered(fruit: Counter) -> None:
    """One path, two methods."""
    app = exported(fruit)
    for path in ("/", "/metrics/", "/healthz", "/v1/sessions", "/metrics/x"):
        assert await asked(app, path) == (404, b"")
    assert await asked(app, method="POST") == (405, b"")
    assert (await asked(app, method="HEAD"))[0] == 200


async def test_a_process_tells_of_itself_and_a_parent_of_its_children() -> None:
    """One family each, the processes told apart by name; one that has gone is left out."""
    exporter = Exporter([])
    exporter.registry.register(Processes(lambda: {"parent": os.getpid(), "1": os.getppid(), "2": 2**22 + 1}))
    found = await samples(endpoint(exporter.registry, exporter.flush))
    assert found["process_resident_memory_bytes{worker=parent}"] > 1e6
    assert "process_cpu_seconds_total{worker=1}" in found
    assert not any("worker=2" in name for name in found)
    alone = metrics_export.of_one_process()
    assert (await samples(alone))["process_resident_memory_bytes{}"] > 1e6


class Workers:
    """Two workers and their parent, in one process: each has a place, and whoever comes next takes it over."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.fruit = Counter("hub_fruit_total", "Fruit.", kind=("apple",))
        self.open = Gauge("hub_open", "Open.", "sum")
        self.worst = Gauge("hub_worst", "Worst.", "min")
        monkeypatch.setattr(metrics, "ALL", (self.fruit, self.open, self.worst))
        monkeypatch.setattr(metrics, "OF_A_PARENT", ())
        self.parent = metrics_export.of_a_parent(folder, dict)

    def starts(self, number: int) -> Exporter:
        """A worker at this place begins."""
        return metrics_export.of_a_worker(self.folder, number)

    def tells(self, exporter: Exporter, *, apples: int, connections: float) -> None:
        """It has counted this much more, and stands so."""
        self.fruit.add("apple", number=apples)
        self.open.read_by(lambda: connections)
        self.worst.read_by(lambda: connections)
        exporter.flush()


async def test_workers_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters add up; a gauge is the sum, or the worst."""
    workers = Workers(tmp_path, monkeypatch)
    one, two = workers.starts(1), workers.starts(2)
    workers.tells(one, apples=3, connections=10)
    workers.tells(two, apples=4, connections=1)
    assert await samples(workers.parent) == {"hub_fruit_total{kind=apple}": 7, "hub_open{}": 11, "hub_worst{}": 1}


async def test_a_dead_workers_gauges_vanish_and_its_counters_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No counter ever falls; whoever follows counts on in the same files, so that restarts do not fill the folder."""
    workers = Workers(tmp_path, monkeypatch)
    one, two = workers.starts(1), workers.starts(2)
    workers.tells(one, apples=3, connections=10)
    workers.tells(two, apples=4, connections=1)
    files = set(os.listdir(tmp_path))  # noqa: PTH208  # of a folder that nobody else has
    metrics_export.forget_worker(tmp_path, 2)
    assert await samples(workers.parent) == {"hub_fruit_total{kind=apple}": 7, "hub_open{}": 10, "hub_worst{}": 10}
    three = workers.starts(2)
    workers.tells(three, apples=5, connections=2)
    assert await samples(workers.parent) == {"hub_fruit_total{kind=apple}": 12, "hub_open{}": 12, "hub_worst{}": 2}
    assert set(os.listdir(tmp_path)) == files  # noqa: PTH208
