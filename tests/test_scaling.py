"""The scaling note says what was measured, and its simulation is one that can be held against what was measured."""

from __future__ import annotations

import pytest

from hub.live.admission import LONGEST_WAIT_SECONDS
from tests.benchmarks.results import load
from tests.benchmarks.scaling import PAGE, TABLES, Fleet, filled
from tests.benchmarks.simulation import OTHERS, storm


def test_the_note_quotes_the_figures_of_the_results_file() -> None:
    """Every table is what the committed figures make of it; change one, and this fails."""
    page, figures = PAGE.read_text(), load()
    assert filled(page, figures) == page
    figures["tabs"]["node_us_per_delivery"] *= 2
    assert TABLES["one node"](figures) not in page


def test_the_simulation_fits_the_storm_that_was_measured() -> None:
    """Within a factor of two, both ways."""
    figures = load()
    seen = figures["storm"]
    simulated = storm(int(seen["tabs"]), 1, figures["tabs"]["node_us_per_opening"])
    assert 0.5 < simulated.last / seen["back_last_seconds"] < 2


def test_a_storm_takes_as_long_as_its_openings() -> None:
    """One after the other, where nobody is turned away; with more nodes, by so much less."""
    one = storm(1000, 1, 750)
    assert one.last == pytest.approx(1000 * 750e-6 / (1 - OTHERS), rel=0.05)
    assert one.refused == 0
    assert storm(1000, 10, 750).last < one.last / 3


def test_those_who_are_turned_away_come_back_later() -> None:
    """All are live in the end, the last long after a node would have had them had it kept them waiting."""
    opening_us = LONGEST_WAIT_SECONDS * 1e6 / 5000
    crowded = storm(10_000, 1, opening_us)
    assert crowded.refused > 0
    assert crowded.last > 10_000 * opening_us / 1e6 / (1 - OTHERS)


def test_a_fleet_is_arithmetic() -> None:
    """Sessions, nodes, and on how many nodes the tabs of a session are: all of one, nearly four of many."""
    fleet = Fleet(tabs=400_000, tabs_of_a_node=50_000)
    assert (fleet.sessions, fleet.nodes) == (100_000, 8)
    assert Fleet(tabs=100, tabs_of_a_node=100).scattered == pytest.approx(1)
    assert 3.9 < Fleet(tabs=10_000_000).scattered < 4
