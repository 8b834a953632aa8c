"""Who can reach what of ``docker-compose.yml``: metrics are Prometheus' alone, and nothing leaves this machine."""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.deploy.compose_files import compose_file
from tests.deploy.composed import METRICS
from tests.deploy.scraped import FILES


def services() -> dict[str, dict[str, Any]]:
    read: dict[str, dict[str, Any]] = compose_file()["services"]
    return read


def test_metrics_are_for_prometheus_alone() -> None:
    """Each node answers scrapes on its address in a network that only Prometheus shares; that scrapes just these."""
    (job,) = yaml.safe_load((FILES / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"{name}:9464" for name in METRICS]}]
    for name in METRICS:
        address = services()[name]["networks"]["metrics"]["ipv4_address"]
        assert services()[name]["environment"]["HUB_METRICS_BIND"] == f"{address}:9464" == METRICS[name]
    assert compose_file()["networks"]["metrics"]["internal"] is True
    assert {name for name, service in services().items() if "metrics" in service["networks"]} == {*METRICS, "prometheus"}


def test_nothing_is_published_beyond_this_machine() -> None:
    """Ports of the host are on loopback."""
    published = [port for service in services().values() for port in service.get("ports", ())]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)
