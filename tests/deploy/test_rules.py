"""Alerts and dashboard name metrics and labels that there are; every alert has been seen to fire and to keep silent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml  # type: ignore[import-untyped]

from hub.telemetry import metrics
from hub.telemetry.metrics_kinds import Histogram
from tests.support.nodes import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "hub.json"
OF_EVERY_TARGET = {"up", "process_open_fds", "process_max_fds", "process_cpu_seconds_total"}
OF_EVERY_TARGET |= {"process_resident_memory_bytes"}
OF_THE_SCRAPE = {"job", "instance", "worker", "le"}
_METRIC = re.compile(r"\b((?:hub|process)_[a-z_]+|up)\b(?:\{([^}]*)\})?")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


def read(name: str) -> dict[str, Any]:
    said: dict[str, Any] = yaml.safe_load((PROMETHEUS / name).read_text())
    return said


def alerts() -> list[dict[str, Any]]:
    return [rule for group in read("alerts.yml")["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return said


def expressions() -> Iterator[str]:
    """Everything that is asked of Prometheus."""
    yield from (rule["expr"] for rule in alerts())
    yield from (target["expr"] for panel in panels() for target in panel.get("targets", ()))


def series() -> dict[str, dict[str, tuple[str, ...]]]:
    """Every name a metric has when it is scraped, with its labels and their words."""
    known: dict[str, dict[str, tuple[str, ...]]] = {}
    for metric in metrics.ALL:
        suffixes = ("_bucket", "_count", "_sum") if isinstance(metric, Histogram) else ("",)
        known |= {metric.name + suffix: metric.labels for suffix in suffixes}
    return known


def test_whatever_is_asked_for_exists() -> None:
    """Names, labels and the words of closed lists: a typing error would be an alert that never fires."""
    known = series()
    for expression in expressions():
        labels = set(OF_THE_SCRAPE)
        for name, selector in _METRIC.findall(_GROUPED.sub("", expression)):
            assert name in known or name in OF_EVERY_TARGET, (name, expression)
            labels |= known.get(name, {}).keys()
            for label, words in re.findall(r'(\w+)(?:=|!=|=~|!~)"([^"]*)"', selector):
                assert label in {*known.get(name, {}), *OF_THE_SCRAPE}, (label, expression)
                listed = known.get(name, {}).get(label, ())
                if listed and words != "$instance":
                    assert all(any(re.fullmatch(word, each) for each in listed) for word in words.split("|")), words
        grouped = {label.strip() for group in _GROUPED.findall(expression) for label in group.split(",")}
        assert grouped <= labels, expression


def test_every_metric_is_on_the_dashboard() -> None:
    """In one screen whether all is well: nothing is counted that nobody can look at."""
    shown = "\n".join(target["expr"] for panel in panels() for target in panel.get("targets", ()))
    assert [metric.name for metric in metrics.ALL if not re.search(rf"\b{metric.name}(_bucket|_count)?\b", shown)] == []


def test_panels_have_a_place_of_their_own() -> None:
    """No two overlap, ids are unique."""
    places = [panel["gridPos"] for panel in panels()]
    cells = [(x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_every_alert_says_what_to_do_and_was_seen_to_fire() -> None:
    """Severity, summary and description; a case that expects it to fire."""
    fired: set[str] = set()
    for name in ("alerts.test.yml", "rotation.test.yml"):
        for case in read(name)["tests"]:
            fired |= {each["alertname"] for each in case.get("alert_rule_test", ()) if each["exp_alerts"]}
            for each in case.get("promql_expr_test", ()):
                fired |= set(re.findall(r'alertname="(\w+)"', str(each["exp_samples"])))
    for rule in alerts():
        assert rule["alert"] in fired
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_a_hub_that_is_well_has_every_series_that_alerts_look_at() -> None:
    """The silent case is silent because all is well, not because nothing is there."""
    (well,) = [case for case in read("alerts.test.yml")["tests"] if case["name"].startswith("A hub that is well")]
    given = {each["series"].partition("{")[0] for each in well["input_series"]}
    asked = {name for rule in alerts() for name, _ in _METRIC.findall(rule["expr"])}
    assert asked <= given
