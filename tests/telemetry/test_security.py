"""The list of security events is closed, documented, and written to by one function only."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest

from hub.errors import CsrfRefused, Forbidden, RateLimited
from hub.telemetry import security
from hub.telemetry.security import MEANINGS, SecurityEvent

HUB = Path(security.__file__).parents[1]
README = HUB / "telemetry/README.md"


def sources() -> dict[str, ast.Module]:
    """Every module of the hub but the one under test."""
    files = [file for file in HUB.rglob("*.py") if file != Path(security.__file__)]
    return {str(file.relative_to(HUB)): ast.parse(file.read_text("utf-8")) for file in files}


def test_nobody_else_writes_to_the_security_log() -> None:
    """The logger's name stands in one module only (and where its level is set)."""
    found = {
        name
        for name, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value == "hub.security"
    }
    assert found == {"telemetry/logs.py"}


def test_every_event_has_a_meaning_and_is_written_somewhere() -> None:
    """No name without a level and a sentence, none that no code writes, none twice."""
    used = {
        node.attr
        for tree in sources().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "SecurityEvent"
    }
    by_code = {event.name for event in security._REFUSALS.values()}
    assert used | by_code == {event.name for event in SecurityEvent}
    assert MEANINGS.keys() == set(SecurityEvent)
    assert all(event == event.name.lower() for event in SecurityEvent)


def test_the_readme_lists_them_all() -> None:
    """Names, levels and sentences, as they are in the code."""
    rows = [
        f"| `{event}` | {logging.getLevelName(level).lower()} | {meaning} |"
        for event, (level, meaning) in MEANINGS.items()
    ]
    text = README.read_text("utf-8")
    assert text.endswith("|---|---|---|\n" + "\n".join(rows) + "\n")


def test_an_event_is_one_record_with_the_facts_given(caplog: pytest.LogCaptureFixture) -> None:
    """Facts that say nothing are left out."""
    caplog.set_level(logging.DEBUG, "hub.security")
    security.note(SecurityEvent.AUTHZ_FAIL, address="192.0.2.1", why="not granted")
    (record,) = caplog.records
    assert (record.name, record.message, record.levelno) == ("hub.security", "authz_fail", logging.WARNING)
    facts = record.__dict__
    assert (facts["address"], facts["why"]) == ("192.0.2.1", "not granted")
    assert not {"sid", "purpose", "provider", "actor"} & facts.keys()


def test_refusals_that_are_written_where_they_are_made_are_not_written_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At the edges a caller that lacks a grant is an event; bad origins and limits were one already."""
    for error in (CsrfRefused(), RateLimited(retry_after_seconds=1), Forbidden("no")):
        security.refused(error, sid="x", purpose="api")
    assert [record.message for record in caplog.records] == ["authz_fail"]
