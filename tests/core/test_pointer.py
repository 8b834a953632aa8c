"""JSON Pointer (RFC 6901): both ways, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import pointer
from hub.errors import Malformed
from tests.core.strategies import quick

RFC_6901 = {
    "": [],
    "/foo": ["foo"],
    "/foo/0": ["foo", "0"],
    "/": [""],
    "/a~1b": ["a/b"],
    "/c%d": ["c%d"],
    "/e^f": ["e^f"],
    "/ ": [" "],
    "/m~0n": ["m~n"],
    "/~01": ["~1"],
}


@pytest.mark.parametrize("text", RFC_6901)
def test_the_examples_of_the_rfc(text: str) -> None:
    """RFC 6901 §5, and that ``~01`` is ``~1`` and not ``/``."""
    assert pointer.parse(text) == RFC_6901[text]
    assert pointer.join(RFC_6901[text]) == text


@pytest.mark.parametrize("text", ["a", "a/b", "/~", "/~2", "/a~", "#/a", None, 1, ["a"], {}, True])
def test_what_is_no_pointer_is_malformed(text: object) -> None:
    """Missing slash, bad escape, or no text at all."""
    with pytest.raises(Malformed):
        pointer.parse(text)


@quick
@given(st.lists(st.text(max_size=6), max_size=5))
def test_tokens_come_back(tokens: list[str]) -> None:
    """Any tokens can be written as a pointer and read again."""
    assert pointer.parse(pointer.join(tokens)) == tokens


def test_a_prefix_is_at_or_above() -> None:
    """Whole tokens count, not characters."""
    assert pointer.is_prefix([], ["a"])
    assert pointer.is_prefix(["a"], ["a"])
    assert pointer.is_prefix(["a"], ["a", "b"])
    assert not pointer.is_prefix(["a"], ["ab"])
    assert not pointer.is_prefix(["a", "b"], ["a"])
