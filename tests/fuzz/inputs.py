"""Inputs: JSON as text, with everything JSON should not have, and good texts with a few bytes changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.core.strategies import names, values

LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
NASTY = (
    b"\x00", b"\xff", b"\r\n", b"\n", b"\t", b" ", b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"]", b":",
    b",", b";", b"=", b"&", b"%", b"%00", b"%2f", b"..", b"/", b"//", b"~", b"~1", b"-", b"-1", b"0", b"1e999", b"NaN",
    b"null", b"true", b"9" * 30, b"\xef\xbb\xbf", b"\xc0\xaf", b"\xe2\x80\xae", b"A" * 300, b"[" * 200,
    b'{"a":' * 70, b"\xf0\x9f\x92\xa5", b"\xc2\xb2", b"%C2%B2", b"%D9%A3", b"\xb2",
)  # fmt: skip


def mutated(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of ``seeds`` after up to five small accidents.

    The accidents follow from one number: dozens of draws for each would cost most of the inputs.
    """
    known = tuple(seeds)
    return st.integers(0, 2**48).map(lambda number: _after_accidents(Random(number), known))


def _after_accidents(chance: Random, seeds: Sequence[bytes]) -> bytes:
    data = chance.choice(seeds)
    for _ in range(chance.randint(0, 5)):
        at = chance.randint(0, len(data))
        match chance.randint(0, 6):
            case 0:
                data = data[:at] + chance.choice(NASTY) + data[at:]
            case 1:
                data = data[:at] + data[at + chance.randint(1, 8) :]
            case 2:
                data = data[:at] + bytes([chance.randint(0, 255)]) + data[at + 1 :]
            case 3:
                data = data[:at] + chance.randbytes(chance.randint(1, 6)) + data[at:]
            case 4:
                data = data[:at] + data[at : at + 20] * chance.randint(1, 9) + data[at:]
            case 5:
                data = data[: at - 1] + chance.choice(LETTERS).to_bytes() + data[max(at, 1) :]
            case _:
                other = chance.choice(seeds)
                data = data[:at] + other[chance.randint(0, len(other)) :]
    return data


wild_texts = st.text(max_size=20) | st.text("\ud800\udfff\x00\u202e~/%é0", max_size=6) | st.just("x" * 70_000)
wild_numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from([2**53, -(2**53), 2**63, 2**64, 10**400, 1e308, float("nan"), float("inf"), True, -0.0])
)
scalars = st.none() | st.booleans() | wild_numbers | wild_texts
wild: st.SearchStrategy[Any] = st.recursive(
    scalars | values,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def _nested(levels: int, value: Any) -> Any:
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


deep = st.builds(_nested, st.sampled_from([10, 62, 63, 64, 65, 900, 3000]), scalars)


def _shallow(value: Any) -> bytes:
    """As JSON, by hand where the library would give up."""
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b"[" * 5000 + b"]" * 5000


json_texts = (wild | deep).map(_shallow)
"""JSON texts, with numbers that are none, lone surrogates, and nesting of all depths."""


def json_like(*seeds: Any) -> st.SearchStrategy[bytes]:
    """Any JSON text, or these values with accidents."""
    return json_texts | mutated([json.dumps(seed).encode() for seed in seeds]) | st.binary(max_size=40)


def members(required: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these members, each as it should be or wild."""
    return st.fixed_dictionaries({}, optional={name: inner | wild for name, inner in required.items()})
