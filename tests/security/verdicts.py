"""A pytest plugin for the mutation runner: one JSON line for each phase of a test that did not pass, and for each pass.

``kind`` tells a guarantee that does not hold (``assertion``) from a test that could not even ask (``other``): a module
that does not import, a node that does not start, a deadline of pytest's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

import hub
from tests.support.nodes import NodeFailed

FILE_VARIABLE = "VERDICTS_FILE"


def pytest_configure(config: pytest.Config) -> None:
    """The copy is what is tested, not the installation it was copied from."""
    where = Path(hub.__file__).resolve()
    if not where.is_relative_to(config.rootpath.resolve()):
        pytest.exit(f"the hub that would be tested is {where}", returncode=99)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write down how a phase went."""
    report = yield
    if report.failed or call.when == "call":
        error = call.excinfo.value if call.excinfo is not None else None
        _write(report, "passed" if error is None else _kind(error, report.when), error)
    return report


def _write(report: pytest.TestReport, kind: str, error: BaseException | None) -> None:
    first_line = next(iter(str(error).splitlines()), "") if error is not None else ""
    said = {"test": report.nodeid, "kind": kind, "why": f"{type(error).__name__}: {first_line}"[:110]}
    with Path(os.environ[FILE_VARIABLE]).open("a") as file:
        file.write(json.dumps(said) + "\n")


def _kind(error: BaseException, when: str | None) -> str:
    is_red = when == "call" and any(_is_assertion(leaf) for leaf in _leaves(error))
    return "assertion" if is_red else "other"


def _is_assertion(error: BaseException) -> bool:
    """An assertion, or ``pytest.raises`` that waited in vain; not a time-out of pytest's."""
    if isinstance(error, pytest.fail.Exception):
        return not str(error).startswith("Timeout")
    return isinstance(error, AssertionError) and not isinstance(error, NodeFailed)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
