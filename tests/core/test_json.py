"""JSON in and out: exactly I-JSON, at most 64 levels, and the same value back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.json import check_depth, dumps, equal, loads
from hub.errors import Malformed
from tests.core.strategies import comparable, nested, quick, values

BAD = {
    "nothing": b"",
    "half": b'{"a":',
    "two": b"1 2",
    "comma": b"[1,]",
    "comment": b"[1/*x*/]",
    "single quotes": b"{'a':1}",
    "not a number": b"NaN",
    "infinity": b"Infinity",
    "overflow": b"[1e400]",
    "leading zero": b"01",
    "plus": b"+1",
    "byte order mark": b"\xef\xbb\xbf1",
    "utf-16": '{"a":1}'.encode("utf-16"),
    "no utf-8": b'"\xff"',
    "surrogate as bytes": b'"\xed\xa0\x80"',
    "lone high surrogate": b'"\\ud800"',
    "lone low surrogate": b'"\\udc00"',
    "lone surrogate in a name": b'{"\\ud800":1}',
    "control character": b'"\x01"',
    "the same name twice": b'{"a":1,"a":1}',
    "the same name twice, one escaped": b'{"a":1,"\\u0061":2}',
    "the same name twice, deep": b'[{"x":{"b":1,"c":":","b":2}}]',
    "the same name twice beside colons in text": b'{"::":1,"::":2}',
    "too large an integer": b"9007199254740992",
    "too small an integer": b"-9007199254740992",
    "beyond 64 bits": b"[123456789012345678901234567890]",
    "ten thousand digits": b"1" * 10_000,
    "65 levels": b"[" * 65 + b"]" * 65,
    "65 levels of objects": b'{"a":' * 64 + b"{}" + b"}" * 64,
    "a hundred thousand levels": b"[" * 100_000,
    "a hundred thousand levels, closed": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_i_json_is_malformed(name: str) -> None:
    """Anything but I-JSON of 64 levels is a clear refusal, never another error and never a guess."""
    with pytest.raises(Malformed):
        loads(BAD[name])


GOOD: dict[str, tuple[bytes, Any]] = {
    "largest integer": (b"9007199254740991", 2**53 - 1),
    "smallest integer": (b"-9007199254740991", -(2**53) + 1),
    "many digits in text": (b'"12345678901234567890"', "12345678901234567890"),
    "many digits in a fraction": (b"0.12345678901234567890", 0.12345678901234567890),
    "a large number that is no integer": (b"1e30", 1e30),
    "surrogate pair": (b'"\\ud83d\\ude00"', "😀"),
    "null character": (b'"\\u0000"', "\u0000"),
    "colons in text": (b'{"a:b":"c:d"}', {"a:b": "c:d"}),
    "same names in different objects": (b'{"a":{"b":1},"b":{"a":1}}', {"a": {"b": 1}, "b": {"a": 1}}),
    "__proto__": (b'{"__proto__":{"x":1}}', {"__proto__": {"x": 1}}),
    "64 levels": (b"[" * 64 + b"]" * 64, nested(64)),
    "64 levels and a number": (b"[" * 64 + b"1" + b"]" * 64, None),
}


@pytest.mark.parametrize("name", GOOD)
def test_i_json_is_read_as_it_is(name: str) -> None:
    """The limits themselves are allowed, and nothing is taken for what it is not."""
    text, value = GOOD[name]
    assert loads(text) == (json.loads(text) if value is None else value)


@quick
@given(values)
def test_what_was_written_is_read_back(value: Any) -> None:
    """Writing and reading again gives the same value: types, order and all."""
    back = loads(dumps(value))
    assert json.dumps(back) == json.dumps(value)


@quick
@given(values)
def test_reading_agrees_with_another_parser(value: Any) -> None:
    """Text written by the standard library, with white space and escapes, means the same here."""
    assert comparable(loads(json.dumps(value, indent=1).encode())) == comparable(value)


@quick
@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_json_or_malformed(raw: bytes) -> None:
    """There is no third outcome."""
    try:
        loads(raw)
    except Malformed:
        return


@quick
@given(values, values)
def test_equality_is_json_equality(left: Any, right: Any) -> None:
    """``1`` equals ``1.0``, neither equals ``true``, and order of members does not matter."""
    assert equal(left, right) == (comparable(left) == comparable(right))
    assert equal(left, json.loads(json.dumps(left, sort_keys=True)))


@pytest.mark.parametrize(
    ("left", "right"),
    [(1, True), (0, False), (True, 1.0), (None, False), (None, 0), ("", None), ([], {}), ({}, []), ([1], [True])],
)
def test_types_are_told_apart(left: Any, right: Any) -> None:
    """Values that Python may hold equal are different JSON."""
    assert not equal(left, right)
    assert not equal({"a": [left]}, {"a": [right]})


def test_depth_counts_from_where_a_value_is_put() -> None:
    """A value that nests ``n`` levels fits at depth ``64 - n`` and no deeper; numbers and text always fit."""
    check_depth(nested(10), 54)
    check_depth(1, 64)
    with pytest.raises(Malformed):
        check_depth(nested(10), 55)
