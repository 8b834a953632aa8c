"""JSON as the hub understands it: I-JSON (RFC 7493), at most 64 levels deep.

Everything that comes from outside goes through ``loads``; what leaves goes through ``dumps``. Inside,
values are plain ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and ``None``.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias

import orjson

from hub.core.limits import MAX_DEPTH, MAX_INTEGER
from hub.errors import Malformed

Json: TypeAlias = Any
Object: TypeAlias = dict[str, Any]

dumps = orjson.dumps
"""A JSON value as UTF-8 bytes, without white space."""

_LONG_DIGITS = re.compile(rb"[0-9]{16}")


def loads(raw: bytes) -> Json:
    """Read one JSON text. Raises ``Malformed`` for what is not I-JSON or nests too deeply."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"This is not JSON: {error}") from None
    members = _check(value, 0)
    if members != raw.count(b":") or _LONG_DIGITS.search(raw):
        _check_slowly(raw)
    return value


def check_depth(value: Json, depth: int) -> None:
    """Raise ``Malformed`` if ``value``, placed ``depth`` levels down, nests too deeply. Its integers were checked."""
    if not isinstance(value, dict | list):
        return
    if depth >= MAX_DEPTH:
        raise Malformed(f"JSON may nest {MAX_DEPTH} levels at most")
    for member in value.values() if isinstance(value, dict) else value:
        if type(member) is dict or type(member) is list:
            check_depth(member, depth + 1)


def _check(value: Json, depth: int) -> int:
    """Check nesting and integers; return the number of object members."""
    kind = type(value)
    if kind is dict:
        if depth >= MAX_DEPTH:
            raise Malformed(f"JSON may nest {MAX_DEPTH} levels at most")
        return len(value) + sum(_check(member, depth + 1) for member in value.values())
    if kind is list:
        if depth >= MAX_DEPTH:
            raise Malformed(f"JSON may nest {MAX_DEPTH} levels at most")
        return sum(_check(member, depth + 1) for member in value)
    if kind is int:
        _check_integer(value)
    return 0


def _check_integer(value: int) -> None:
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise Malformed("Integers beyond ±(2^53−1) cannot be kept exactly; send them as strings")


def _check_slowly(raw: bytes) -> None:
    """Find what orjson passes over: repeated names, and integers it turned into floats."""
    json.loads(raw, object_pairs_hook=_unique, parse_int=_bounded, parse_float=_ignored)


def _unique(pairs: list[tuple[str, Json]]) -> Object:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("An object names the same member twice")
    return members


def _bounded(text: str) -> int:
    if len(text) > 17:
        raise Malformed("Integers beyond ±(2^53−1) cannot be kept exactly; send them as strings")
    value = int(text)
    _check_integer(value)
    return value


def _ignored(text: str) -> float:
    return 0.0


def equal(left: Json, right: Json) -> bool:
    """JSON equality: ``1`` equals ``1.0``, and neither equals ``true``."""
    if left is right:
        return True
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(equal(member, right[name]) for name, member in left.items())
        )
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)
