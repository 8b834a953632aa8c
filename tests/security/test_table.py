"""The table is complete: every row has its tests and its defences, and every defence can still be taken away."""

from __future__ import annotations

from collections import Counter

from tests.security.table import ROOT, ROWS, by_row, defences

NOT_YET: dict[int, str] = {}
"""Rows without a test, with the reason."""


def test_every_row_has_a_test() -> None:
    """Or a reason in ``NOT_YET``, and not both."""
    missing = set(ROWS) - by_row().keys() - NOT_YET.keys()
    assert not missing, f"rows without a test: {sorted(missing)}"
    assert not NOT_YET.keys() & by_row().keys()


def test_every_row_has_a_defence_that_can_be_taken_away() -> None:
    """A guarantee is worth what its test notices."""
    missing = set(ROWS) - {defence.row for defence in defences()} - NOT_YET.keys()
    assert not missing, f"rows without a defence: {sorted(missing)}"


def test_no_test_or_defence_is_of_a_row_that_does_not_exist() -> None:
    """Numbers are those of the table."""
    assert set(by_row()) <= set(ROWS)
    assert {defence.row for defence in defences()} <= set(ROWS)


def test_every_defence_fits_the_sources() -> None:
    """What is to be replaced is there, once; the test it names exists; no two entries are the same."""
    tests = by_row()
    for defence in defences():
        assert defence.problem(ROOT) is None, f"{defence.source}, row {defence.row}: {defence.problem(ROOT)}"
        if defence.test:
            assert defence.test.partition("[")[0] in tests.get(defence.row, []), f"{defence.source}: no {defence.test}"
    twice = [key for key, count in Counter((d.file, d.find, d.put) for d in defences()).items() if count > 1]
    assert not twice
