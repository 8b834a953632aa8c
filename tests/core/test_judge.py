"""The judge: what a copy does with the next change it hears."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.judge import Verdict, judge
from hub.core.position import Position
from tests.core.strategies import quick, vectors

positions = st.builds(Position, st.integers(1, 4), st.sampled_from(["0000000a", "0000000b"]))


def _position(text: str) -> Position:
    revision, _, tag = text.partition(".")  # vectors also judge what the hub would never write
    return Position(int(revision), tag)


@pytest.mark.parametrize("vector", vectors("judge"), ids=lambda vector: vector["name"])
def test_the_shared_vectors(vector: dict[str, Any]) -> None:
    """Server and browser judge alike."""
    at, base, position = (_position(vector[name]) for name in ("at", "base", "position"))
    assert judge(at, base, position) is Verdict(vector["verdict"])


@quick
@given(positions, positions, positions)
def test_only_a_change_that_continues_the_copy_is_applied(at: Position, base: Position, position: Position) -> None:
    """APPLY exactly where the base is the copy's position; a change of the past is never a reload."""
    verdict = judge(at, base, position)
    assert (verdict is Verdict.APPLY) == (base == at)
    if base != at and position.revision < at.revision:
        assert verdict is Verdict.STALE
    if base != at and position.revision > at.revision:
        assert verdict is Verdict.GAP
