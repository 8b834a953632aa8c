"""Debian's Prometheus and the files of ``deploy/prometheus``: they are valid, and what is documented is there and moves."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from hub.telemetry import metrics
from hub.telemetry.metrics_kinds import Gauge, Histogram, Metric
from tests.deploy.composed import METRICS, composed
from tests.deploy.moving import USER, VERIFY_KEY, Life
from tests.deploy.scraped import FILES, Prometheus, scraping
from tests.deploy.test_rules import DASHBOARD
from tests.support import sabotaged
from tests.support.echo import EchoApp
from tests.support.nodes import SERVICE_KEY, Node, cluster, sha256
from tests.support.ports import free_port
from tests.support.tabs import bearer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.proxies, pytest.mark.timeout(120)]

SECONDS = 15.0
CONSTANT = {metrics.BUILD}
PROCESSES = ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds")


def promtool(*arguments: str, folder: Path = FILES) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_files_are_what_prometheus_reads(tmp_path: Path) -> None:
    """Configuration, rules, and every expression of the dashboard."""
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "alerts.yml")
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    rules = [
        {"record": f"panel:{number}", "expr": each.replace("$__rate_interval", "5m")}
        for number, each in enumerate(asked)
    ]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", "panels.yml", folder=tmp_path)


def test_each_alert_fires_when_it_should_and_not_when_all_is_well() -> None:
    """The unit tests of the rules."""
    promtool("test", "rules", "alerts.test.yml", "rotation.test.yml")


async def test_the_composed_prometheus_finds_both_nodes() -> None:
    """From the files of ``docker-compose.yml``: nodes where they are told to answer, targets by their names."""
    with composed("valkey", "prometheus") as made:
        for name in METRICS:
            made.node(name)
        prometheus = Prometheus(f"http://127.0.0.1:{made.ports['prometheus']}")

        async def finds_them() -> bool:
            return prometheus.value('sum(up{job="hub"})') == 2 and prometheus.value("sum(hub_workers)") == 2

        await eventually(finds_them, SECONDS)
        prometheus.close()


@dataclass
class Site:
    """Two nodes of two workers each and one with a bug, scraped."""

    life: Life
    buggy: Node
    ports: list[int]
    prometheus: Prometheus

    async def until(self, query: str, value: float) -> None:
        """Until the answer is this; what it is, if it does not become that."""
        try:
            await eventually(lambda: self._is(query, value), SECONDS)
        except TimeoutError:
            raise AssertionError(f"{query} is {self.prometheus.ask(query)}, not {value}") from None

    async def _is(self, query: str, value: float) -> bool:
        return self.prometheus.value(query) == value

    async def texts(self) -> list[str]:
        """What the listeners themselves say."""
        async with httpx.AsyncClient() as client:
            return [(await client.get(f"http://127.0.0.1:{port}/metrics")).text for port in self.ports]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    ports = [free_port() for _ in range(3)]
    with EchoApp() as app, cluster() as own:
        settings = {"HUB_APPS__A__UPSTREAM": app.url, "HUB_APPS__A__VERIFY_KEY_SHA256": sha256(VERIFY_KEY)}
        with ThreadPoolExecutor() as at_once, scraping(tmp_path_factory.mktemp("prometheus"), *ports) as prometheus:
            of_two = [settings | {"HUB_METRICS_BIND": f"127.0.0.1:{port}"} for port in ports[:2]]
            nodes = [at_once.submit(own.node_of_workers, 2, each) for each in of_two]
            buggy = own.node(sabotaged.__name__, HUB_METRICS_BIND=f"127.0.0.1:{ports[2]}")
            yield Site(Life(own, [node.result() for node in nodes]), buggy, ports, prometheus)


@pytest.fixture
async def life(site: Site) -> AsyncIterator[Life]:
    """What happens there; tabs are closed when a test is over."""
    yield site.life
    for _, tab in site.life.tabs:
        await tab.socket.close()
    site.life.tabs.clear()


async def test_the_numbers_are_those_of_what_was_acknowledged(site: Site, life: Life) -> None:
    """To the last one, over nodes and workers; then a worker is killed: no counter falls, and its gauges vanish."""
    ask = site.prometheus
    await site.until("sum(hub_workers)", 5)
    await site.until("count(up == 1)", 3)
    opened = await life.work()
    await life.end(life.nodes[1])
    counted = {
        'sum(hub_commits_total{outcome="committed"})': float(life.committed),
        'sum(hub_commits_total{outcome="replayed"})': 1,
        'sum(hub_commits_total{outcome="unchanged"})': 1,
        "sum(hub_sessions_opened_total)": float(life.opened),
        'sum(hub_sessions_ended_total{reason="revoked"})': 1,
        'sum(hub_live_connections_closed_total{code="4500"})': 1,
        "sum(hub_end_to_close_seconds_count)": 1,
        "sum(hub_change_connections_sum)": 2.0 * life.committed,
        "sum(hub_commit_to_push_seconds_count)": 2.0 * life.committed,
    }
    for query, number in counted.items():
        await site.until(query, number)
    await site.until("sum(hub_live_connections)", 2)
    restarts = ask.value("sum(hub_worker_restarts_total)")
    life.kill_a_worker(life.nodes[0])
    await site.until("sum(hub_worker_restarts_total)", restarts + 1)
    await site.until("sum(hub_workers)", 5)
    left = sum(tab.closed_at is None for _, tab in life.tabs)
    await site.until("sum(hub_live_connections)", left)
    await life.commit(life.nodes[0], opened, "after")
    await site.until('sum(hub_commits_total{outcome="committed"})', life.committed)
    for query in list(counted)[1:7]:
        assert ask.value(query) == counted[query], query


async def test_nothing_of_a_user_or_a_session_is_in_it(site: Site, life: Life) -> None:
    """No name, sid, user tag, token or key, however the calls went."""
    opened = await life.work()
    async with httpx.AsyncClient(base_url=life.nodes[0].url, headers=bearer(opened.token)) as person:
        await person.get(f"/apps/{USER}/{opened.sid}")
        await person.get(f"/v1/sessions/{opened.sid}?{USER}", headers={"User-Agent": USER, "X-Request-Id": USER})
        await person.patch("/v1/sessions/me/document", content=b"{}", headers={"Content-Type": USER})
    for text in await site.texts():
        assert "hub_commits_total" in text
        for secret in (USER, opened.sid, opened.sid[:16], opened.sid[17:], opened.token, SERVICE_KEY, "billing"):
            assert secret not in text


def moved(metric: Metric, ask: Prometheus) -> bool:
    """Whether it was counted, or stood at two different values, since it is scraped."""
    if isinstance(metric, Gauge):
        changes = f"max_over_time({metric.name}[10m]) - min_over_time({metric.name}[10m])"
        return metric in CONSTANT or ask.value(f"max({changes})") > 0
    name = f"{metric.name}_count" if isinstance(metric, Histogram) else metric.name
    return ask.value(f"max(max_over_time({name}[10m]))") > 0


async def test_every_documented_metric_is_there_and_moves(site: Site, life: Life) -> None:
    """A life with everything that happens in one; then each name, on each node, and that it moved. The rules work."""
    ask = site.prometheus
    opened = await life.work()
    await asyncio.gather(life.race(opened), life.ask_apps(), life.name_a_strange_key(), life.read_slowly(life.nodes[0]))
    await life.end(life.nodes[0])
    await life.come_back(opened)
    await life.rotate()
    async with httpx.AsyncClient(base_url=site.buggy.url, headers=bearer(SERVICE_KEY)) as client:
        answer = await client.get(f"/v1/sessions/{opened.sid}", headers={sabotaged.HEADER: "1"})
    assert answer.status_code == 500
    life.kill_a_worker(life.nodes[0])
    life.cut_the_feed()
    await site.until('count(hub_feed_losses_total{instance!=""} > 0)', 3)

    async def is_noticed() -> bool:
        return ask.value('min(hub_mode{mode="maintenance"} > 0)') > 0 and ask.value("max(hub_feed_up)") == 0

    await life.lose_the_store(opened, is_noticed)
    for metric in metrics.ALL:
        name = f"{metric.name}_count" if isinstance(metric, Histogram) else metric.name
        instances = {dict(labels)["instance"] for labels in ask.ask(f"count by (instance) ({name})")}
        assert instances >= {f"127.0.0.1:{port}" for port in site.ports[:2]}, metric.name
    for name in PROCESSES:
        assert {dict(labels)["worker"] for labels in ask.ask(f'{name}{{worker!=""}}')} == {"parent", "1", "2"}
    async with life.drain(life.nodes[1]):
        await site.until("max(hub_draining > 0)", 1)
    for metric in metrics.ALL:

        async def has_moved() -> bool:
            return moved(metric, ask)  # noqa: B023  # awaited here

        try:
            await eventually(has_moved, SECONDS)
        except TimeoutError:
            raise AssertionError(f"{metric.name} did not move") from None
    assert ask.unhealthy_rules() == []

    async def are_noticed() -> bool:
        return {"HubAppFailing", "HubNodeDown", "HubInternalErrors"} <= ask.alerts()

    await eventually(are_noticed, SECONDS)
