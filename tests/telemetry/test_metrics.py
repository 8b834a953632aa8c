"""The names of metrics are a contract: conventional, documented, of bounded labels, and each counted somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from hub.core.mode import Mode
from hub.core.session import EndReason
from hub.errors import HubError
from hub.protocol.close_codes import CloseCode
from hub.protocol.messages import SnapshotReason
from hub.store.keyring.key import USES
from hub.telemetry import metrics
from hub.telemetry.metrics_kinds import Counter, Gauge, Histogram, Metric
from hub.telemetry.security import SecurityEvent

HUB = Path(metrics.__file__).parents[1]
README = HUB / "telemetry/README.md"
FROM_THE_CONFIGURATION = {"app", "provider", "kid", "version"}
OF_THE_LIBRARY = """\
| `process_…` | | `worker` (with `--workers`: its number, or `parent`) | CPU, memory, open files, start of each. |
"""


def kind_of(metric: Metric) -> str:
    return type(metric).__name__.lower()


def labels_of(metric: Metric) -> str:
    """A label, and its words unless they are listed elsewhere."""
    said = []
    for label, values in metric.labels.items():
        is_listed = label not in FROM_THE_CONFIGURATION and label != "event" and len(values) <= 10
        words = ", ".join(f"`{value}`" for value in values)
        said.append(f"`{label}`: {words}" if is_listed else f"`{label}`")
    return "; ".join(said)


def row(metric: Metric) -> str:
    return f"| `{metric.name}` | {kind_of(metric)} | {labels_of(metric)} | {metric.says} |\n"


def test_the_readme_lists_them_all() -> None:
    """Names, kinds, labels and sentences, as they are in the code, in its order."""
    text = README.read_text("utf-8")
    table = text.partition("| metric | type | labels | says |\n|---|---|---|---|\n")[2].partition("\n\n")[0] + "\n"
    assert table == "".join(map(row, metrics.ALL)) + OF_THE_LIBRARY


def test_every_constant_is_in_the_list_and_no_name_is_twice() -> None:
    """What is declared is exported."""
    declared = [value for value in vars(metrics).values() if isinstance(value, Metric)]
    assert declared == list(metrics.ALL)
    assert len({each.name for each in metrics.ALL}) == len(metrics.ALL)
    assert set(metrics.OF_A_PARENT) <= set(metrics.ALL)


@pytest.mark.parametrize("metric", metrics.ALL, ids=lambda each: each.name)
def test_names_follow_the_conventions_of_prometheus(metric: Metric) -> None:
    """Prefix, base units, ``_total`` for counters alone; labels in lower case; a sentence of help."""
    assert re.fullmatch(r"hub(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == isinstance(metric, Counter)
    assert not re.search(r"_(ms|milliseconds|minutes|kb|percent|count|sum|bucket)$", metric.name)
    assert all(re.fullmatch(r"[a-z][a-z_]*", label) and label not in ("le", "quantile") for label in metric.labels)
    assert metric.says.endswith(".")
    if isinstance(metric, Histogram):
        assert list(metric.bounds) == sorted(set(metric.bounds))
        assert metric.name.endswith(("_seconds", "_connections"))


@pytest.mark.parametrize("metric", metrics.ALL, ids=lambda each: each.name)
def test_no_label_can_name_a_user_or_a_session(metric: Metric) -> None:
    """Each label has a closed list of words, or its values are names out of the configuration."""
    for label, values in metric.labels.items():
        assert bool(values) or label in FROM_THE_CONFIGURATION, label
        assert all(re.fullmatch(r"[a-z0-9_]+", value) for value in values)
    assert not {"sid", "user", "session", "token", "address", "path", "request_id"} & metric.labels.keys()


def test_closed_lists_are_those_of_the_code() -> None:
    """A reason, code, mode, use or event that is added somewhere has to be added here."""

    def words(metric: Metric, label: str) -> set[str]:
        return set(metric.labels[label])

    assert words(metrics.MODE, "mode") == set(get_args(Mode))
    assert words(metrics.SESSIONS_ENDED, "reason") == set(get_args(EndReason))
    assert words(metrics.SNAPSHOTS, "reason") == set(get_args(SnapshotReason))
    assert words(metrics.CONNECTIONS_CLOSED, "code") == {str(int(code)) for code in CloseCode} | {metrics.GONE}
    assert words(metrics.KEYS, "use") == set(USES)
    assert words(metrics.SECURITY_EVENTS, "event") == set(SecurityEvent)
    codes = {error.code for error in every_error(HubError)}
    assert set(metrics.REFUSALS) <= codes
    assert words(metrics.PROXY_FAILURES, "code") <= codes


def every_error(error: type[HubError]) -> set[type[HubError]]:
    return {error, *(each for child in error.__subclasses__() for each in every_error(child))}


def test_every_metric_is_counted_somewhere_and_by_a_word_of_its_list() -> None:
    """No name that no code uses; words written into a call are on the list, one for each label."""
    used: dict[str, list[list[ast.expr]]] = {}
    for file in HUB.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                of = node.func.value
                if isinstance(of, ast.Attribute) and isinstance(of.value, ast.Name) and of.value.id == "metrics":
                    words = node.args[1:] if node.func.attr == "observe" else node.args
                    used.setdefault(of.attr, []).append(words if node.func.attr in ("add", "observe") else [])
    named = {name: value for name, value in vars(metrics).items() if isinstance(value, Metric)}
    assert used.keys() == named.keys()
    for name, metric in named.items():
        counted = [words for words in used[name] if words]
        assert isinstance(metric, Gauge) or all(len(words) == len(metric.labels) for words in counted), name
        for words in counted:
            for word, known in zip(words, metric.labels.values(), strict=True):
                assert written_in(word) <= set(known), name


def written_in(word: ast.expr) -> set[object]:
    """The words an argument can be, where they stand in the call itself."""
    match word:
        case ast.Constant(value):
            return {value}
        case ast.IfExp(body=one, orelse=other):
            return written_in(one) | written_in(other)
    return set()
