"""Operations on documents: what they do, and that they never touch what they were given."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

from hub.core.document import Op, apply, section_of, sections_of
from hub.errors import HubError, Malformed, PatchConflict
from tests.core import references
from tests.core.strategies import comparable, frozen, patched, quick, vectors

WIRE_OPS = ("add", "replace", "remove")


@pytest.mark.parametrize("vector", vectors("apply"), ids=lambda vector: vector["name"])
def test_the_shared_vectors(vector: dict[str, Any]) -> None:
    """Server and browser apply alike, and refuse alike."""
    before = frozen(vector["document"])
    if vector.get("error"):
        with pytest.raises((PatchConflict, Malformed)):
            apply(vector["document"], vector["ops"])
    else:
        assert comparable(apply(vector["document"], vector["ops"])) == comparable(vector["result"])
    assert frozen(vector["document"]) == before


@quick
@given(patched())
def test_applying_is_json_patch_and_never_changes_its_input(case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    """The result is that of RFC 6902; document and ops stay as they were, whether it fits or not."""
    document, operations = case
    ops = [operation for operation in operations if operation["op"] in WIRE_OPS]
    given_document, given_ops = copy.deepcopy(document), copy.deepcopy(ops)
    try:
        expected = references.patched(document, ops)
    except references.Refused:
        expected = None
    try:
        result = apply(document, ops)
    except HubError:
        result = None
    assert frozen(document) == frozen(given_document)
    assert frozen(ops) == frozen(given_ops)
    assert comparable(result) == comparable(expected)


def test_an_op_may_write_into_what_an_earlier_op_brought() -> None:
    """A later op works on a copy: the value inside the earlier op stays as it was sent."""
    value = {"x": [1]}
    ops: list[Op] = [{"op": "add", "path": "/a", "value": value}, {"op": "add", "path": "/a/x/-", "value": 2}]
    assert apply({}, ops) == {"a": {"x": [1, 2]}}
    assert value == {"x": [1]}


def test_untouched_parts_are_shared() -> None:
    """Applying costs what it touches, not what the document weighs."""
    document: dict[str, Any] = {"big": {"x": 1}, "a": {"b": {}, "c": {}}}
    result = apply(document, [{"op": "add", "path": "/a/b/n", "value": 1}])
    assert result["big"] is document["big"]
    assert result["a"]["c"] is document["a"]["c"]


@pytest.mark.parametrize("op", ["move", "copy", "test", "merge", "", None])
def test_a_change_holds_only_its_three_operations(op: Any) -> None:
    """Anything else in a change is refused, not skipped."""
    with pytest.raises(PatchConflict):
        apply({"a": 1}, [{"op": op, "path": "/a", "from": "/a", "value": 1}])


def test_a_path_of_more_than_64_levels_is_refused() -> None:
    """The depth limit holds for paths as well."""
    with pytest.raises(Malformed):
        apply({}, [{"op": "add", "path": "/a" * 65, "value": 1}])


@pytest.mark.parametrize(
    ("path", "section"), [("/a", "a"), ("/a/b", "a"), ("/", ""), ("/a~1b/c", "a/b"), ("/~01", "~1"), ("//x", "")]
)
def test_the_section_of_an_op_is_its_first_token(path: str, section: str) -> None:
    """Unescaped, in the right order."""
    assert section_of({"op": "remove", "path": path}) == section
    assert sections_of([{"op": "remove", "path": path}]) == {section}
