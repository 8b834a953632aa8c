"""Small requests that ask for much: each ends soon, with a refusal or with ops that are no larger than the document."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hub.core.document import apply
from hub.core.json import dumps
from hub.core.patch import json_patch, merge_patch
from hub.errors import HubError, Malformed, PatchConflict, TooLarge
from tests.core import references
from tests.core.strategies import nested

MOST_BYTES = 262_144
BIG: list[int] = [7] * 100_000
SECONDS = 0.5  # on two busy cores; ordinary patches take a thousandth of it


def ops_soon(patch: Any, document: dict[str, Any]) -> list[dict[str, Any]]:
    """The ops, which must come soon and be about as small as a document may be."""
    started = time.thread_time()
    try:
        ops: list[dict[str, Any]] = patch.ops_for(document, MOST_BYTES)
    finally:
        assert time.thread_time() - started < SECONDS
    assert len(dumps(ops)) < 2 * MOST_BYTES + 1000
    return ops


def test_copies_that_double_are_refused() -> None:
    """``copy`` of an array into itself, 200 times, would be 2^200 elements."""
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 200
    with pytest.raises(TooLarge) as refused:
        ops_soon(json_patch(doubling), {"a": [1, 2, 3]})
    assert refused.value.facts["limit_bytes"] == MOST_BYTES


def test_many_copies_of_something_large_are_refused() -> None:
    """The bytes of all copies together are what counts."""
    with pytest.raises(TooLarge):
        ops_soon(json_patch([{"op": "copy", "from": "/a", "path": f"/b/{n}"} for n in range(256)]), {"a": BIG, "b": {}})


def test_moving_something_large_to_and_fro_is_refused() -> None:
    """Each ``move`` is noted as a removal and an addition of the whole: 200 of them must not weigh 200 documents."""
    there = {"op": "move", "from": "/a/x", "path": "/a/y"}
    back = {"op": "move", "from": "/a/y", "path": "/a/x"}
    document = {"a": {"x": BIG}, "b": 1}
    assert ops_soon(json_patch([there, back]), document) == []
    with pytest.raises(TooLarge):
        ops_soon(json_patch([there, back] * 100), document)


def test_a_long_path_to_many_small_changes_makes_small_ops() -> None:
    """Every op names its whole path: a long one, said once in a merge patch, must not be said a thousand times."""
    name = "n" * 40_000
    document = {"a": {name: {str(n): 0 for n in range(4000)}}, "b": {"x": 1, "y": 2}}
    patch = {"a": {name: {str(n): 1 for n in range(4000)}}, "b": {"x": None}}
    ops = ops_soon(merge_patch(patch), document)
    assert apply(document, ops) == references.merged(document, patch)


def test_many_operations_on_a_large_array_end_soon() -> None:
    """256 insertions, removals and tests at both ends of a large array."""
    steps = [{"op": "add", "path": "/a/0", "value": 1}, {"op": "remove", "path": "/a/99999"}] * 64
    ops_soon(json_patch([*steps, *[{"op": "test", "path": "/a/0", "value": 1}] * 128]), {"a": BIG})


def test_many_tests_of_something_large_end_soon() -> None:
    """A test costs what its own value weighs, and stops at the first difference."""
    operations = [{"op": "test", "path": "/a", "value": [7, 8]}] * 256
    with pytest.raises(PatchConflict):
        ops_soon(json_patch(operations), {"a": BIG})


def test_depth_is_refused_however_it_is_reached() -> None:
    """By a path, by a value, or step by step."""
    nesting = [{"op": "add", "path": "/a" * n, "value": {}} for n in range(1, 100)]
    for operations in (nesting, [{"op": "add", "path": "/a/a", "value": nested(63)}]):
        with pytest.raises(Malformed):
            ops_soon(json_patch(operations), {"a": {}})
    with pytest.raises(HubError):
        ops_soon(json_patch([{"op": "add", "path": "/a" * 10_000, "value": 1}]), {})


def test_escapes_in_paths_cost_nothing() -> None:
    """A path of a hundred thousand escapes is one long name."""
    ops = ops_soon(json_patch([{"op": "add", "path": "/" + "~1" * 100_000, "value": 1}]), {})
    assert list(apply({}, ops)) == ["/" * 100_000]
