"""Positions: one spelling each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.position import Position
from tests.core.strategies import quick


@quick
@given(st.integers(1, 2**53 - 1), st.text("0123456789abcdef", min_size=8, max_size=8))
def test_a_position_comes_back(revision: int, tag: str) -> None:
    """What is written is read as the same position."""
    assert Position.parse(str(Position(revision, tag))) == Position(revision, tag)


BAD = ["", "1", "1.", ".9f3a1c02", "0.9f3a1c02", "01.9f3a1c02", "-1.9f3a1c02", "1.9F3A1C02", "1.9f3a1c0", "1.9f3a1c022"]
BAD += ["1.9f3a1c0g", " 1.9f3a1c02", "1.9f3a1c02\n", "1..9f3a1c02", "1e3.9f3a1c02", "١.9f3a1c02", '"1.9f3a1c02"']
BAD += ["99999999999999999.9f3a1c02"]


@pytest.mark.parametrize("text", BAD)
def test_another_spelling_is_no_position(text: str) -> None:
    """Leading zeros, capitals, other digits, white space: none of it is read as a position."""
    with pytest.raises(ValueError, match="looks like"):
        Position.parse(text)
