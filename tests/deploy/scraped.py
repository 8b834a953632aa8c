"""Debian's Prometheus with the files of ``deploy/prometheus``, scraping hubs that run here."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.nodes import ROOT, clean_environment
from tests.support.ports import free_port
from tests.support.waiting import becomes

FILES = ROOT / "deploy" / "prometheus"
TARGETS = '["hub-1:9464", "hub-2:9464"]'
START_SECONDS = 20.0

Series = Mapping[tuple[tuple[str, str], ...], float]
"""Sorted labels → value."""


class Prometheus:
    """What it has scraped."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=5, verify=False)  # plain http has nothing to verify

    def close(self) -> None:
        """Ask no more."""
        self._client.close()

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, query: str) -> Series:
        """An instant query."""
        answer = self._client.get("/api/v1/query", params={"query": query})
        found = answer.json()
        assert found["status"] == "success", found
        return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in found["data"]["result"]}

    def value(self, query: str) -> float:
        """The only value of a query; -1 where there is none."""
        found = list(self.ask(query).values())
        assert len(found) <= 1, (query, found)
        return found[0] if found else -1.0

    def alerts(self) -> set[str]:
        """Names of alerts that are pending or firing."""
        found = self._client.get("/api/v1/alerts").json()["data"]["alerts"]
        return {each["labels"]["alertname"] for each in found}

    def unhealthy_rules(self) -> list[str]:
        """Rules that could not be evaluated, or have not been yet."""
        groups = self._client.get("/api/v1/rules").json()["data"]["groups"]
        return [rule["name"] for group in groups for rule in group["rules"] if rule["health"] != "ok"]


@contextmanager
def scraping(folder: Path, *ports: int) -> Iterator[Prometheus]:
    """Prometheus on these metrics listeners, with the files as they are but for the targets and the pace."""
    config = (FILES / "prometheus.yml").read_text()
    assert TARGETS in config
    config = config.replace(TARGETS, str([f"127.0.0.1:{port}" for port in ports])).replace("15s", "500ms")
    (folder / "prometheus.yml").write_text(config)
    shutil.copy(FILES / "alerts.yml", folder)
    port = free_port()
    options = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
        "log.level": "warn",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["prometheus", *(f"--{name}={value}" for name, value in options.items())],
            stdout=log,
            stderr=log,
            env=clean_environment(),
        )
    made = Prometheus(f"http://127.0.0.1:{port}")
    try:
        assert becomes(made.is_ready, START_SECONDS), (folder / "log").read_text()
        yield made
    finally:
        made.close()
        process.terminate()
        process.wait(20)
