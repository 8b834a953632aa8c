"""The summary of the proof: one line a fault, printed at the end of a run, whichever process found it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

ROWS = "consistency under faults"


@dataclass
class Row:
    """What is known of one fault."""

    operations: int = 0
    injected: int = 0
    violations: int | None = None
    control: str = "not run"
    figures: str = ""

    def add(self, said: dict[str, Any]) -> None:
        """What another process found out about the same fault."""
        unknown = asdict(Row())
        for name, value in said.items():
            if value != unknown[name]:
                setattr(self, name, value)


@dataclass
class Summary:
    """By the fault's name."""

    rows: dict[str, Row] = field(default_factory=dict)

    def row(self, name: str) -> Row:
        """To be filled in."""
        return self.rows.setdefault(name, Row())


SUMMARY = pytest.StashKey[Summary]()


def pytest_configure(config: pytest.Config) -> None:
    """One summary a process."""
    config.stash[SUMMARY] = Summary()


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Callable[[str], Row]:
    """The line of a fault, by its name."""
    return request.config.stash[SUMMARY].row


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of several gives what it knows to the one that prints."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[ROWS] = {name: asdict(each) for name, each in session.config.stash[SUMMARY].rows.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended."""
    for name, said in getattr(node, "workeroutput", {}).get(ROWS, {}).items():
        node.config.stash[SUMMARY].row(name).add(said)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print it."""
    rows = config.stash[SUMMARY].rows
    if not rows:
        return
    terminalreporter.section(ROWS)
    terminalreporter.write_line(f"{'fault':<24}{'operations':>11}{'injected':>10}{'violations':>12}  control")
    for name, row in rows.items():
        count = "not run" if row.violations is None else row.violations
        terminalreporter.write_line(f"{name:<24}{row.operations:>11}{row.injected:>10}{count:>12}  {row.control}")
        if row.figures:
            terminalreporter.write_line(f"{'':<24}{row.figures}")
