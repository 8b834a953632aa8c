"""Patches: what a caller's intent becomes, and what is no patch at all."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.access import View
from hub.core.document import apply, sections_of
from hub.core.patch import json_patch, merge_patch, remove_section, replace_section
from hub.errors import HubError, Malformed, PatchConflict
from tests.core import references
from tests.core.strategies import MOST_BYTES, comparable, documents, frozen, names, nested, patched, quick, vectors

Case = tuple[dict[str, Any], list[dict[str, Any]]]


@pytest.mark.parametrize("vector", vectors("merge"), ids=lambda vector: vector["name"])
def test_the_shared_merge_vectors(vector: dict[str, Any]) -> None:
    """RFC 7396 appendix A and more: the ops of a merge patch lead to its result."""
    document, patch = vector["document"], vector["patch"]
    if not isinstance(patch, dict):
        with pytest.raises(Malformed):
            merge_patch(patch)
    elif isinstance(document, dict):
        result = apply(document, merge_patch(patch).ops_for(document, MOST_BYTES))
        assert comparable(result) == comparable(vector["result"])


@quick
@given(documents, documents)
def test_a_merge_patch_does_what_rfc_7396_says(document: dict[str, Any], patch: dict[str, Any]) -> None:
    """Applying its ops gives the result of the reference; a patch that would change nothing has no ops."""
    before = frozen([document, patch])
    ops = merge_patch(patch).ops_for(document, MOST_BYTES)
    expected = references.merged(document, patch)
    assert comparable(apply(document, ops)) == comparable(expected)
    assert (ops == []) == (comparable(document) == comparable(expected))
    assert frozen([document, patch]) == before


@quick
@given(patched())
def test_a_json_patch_does_what_rfc_6902_says(case: Case) -> None:
    """Its ops are add, replace and remove, and lead to the result of the reference, or it is refused as there."""
    document, operations = case
    before = frozen([document, operations])
    try:
        expected = references.patched(document, operations)
    except references.Refused:
        with pytest.raises((PatchConflict, Malformed)):
            json_patch(operations).ops_for(document, MOST_BYTES)
        return
    ops = json_patch(operations).ops_for(document, MOST_BYTES)
    assert {op["op"] for op in ops} <= {"add", "replace", "remove"}
    assert comparable(apply(document, ops)) == comparable(expected)
    assert (ops == []) == (comparable(document) == comparable(expected))
    assert frozen([document, operations]) == before


@quick
@given(patched(), st.sets(names))
def test_ops_made_from_what_is_visible_fit_the_whole_document(case: Case, hidden: set[str]) -> None:
    """Grants keep patches inside visible sections; there the ops mean the same on the whole document."""
    document, operations = case
    view = View("12345678", frozenset(document) - hidden)
    seen = view.of_document(document)
    try:
        ops = json_patch(operations).ops_for(seen, MOST_BYTES)
    except HubError:
        return
    if sections_of(ops) <= view.sections:
        assert comparable(view.of_document(apply(document, ops))) == comparable(apply(seen, ops))
        untouched = {name: value for name, value in document.items() if name not in view.sections}
        assert untouched.items() <= apply(document, ops).items()


@quick
@given(patched())
def test_writes_and_reads_cover_every_section_a_patch_touches(case: Case) -> None:
    """No op lies outside ``writes``, unless the patch replaces the document as a whole."""
    document, operations = case
    patch = json_patch(operations) if _is_patch(operations) else None
    if patch is None:
        return
    try:
        ops = patch.ops_for(document, MOST_BYTES)
    except HubError:
        return
    assert sections_of(ops) <= patch.writes
    sources = {operation.source[0] for operation in patch.operations if operation.source}
    assert sources <= patch.reads


def _is_patch(operations: list[dict[str, Any]]) -> bool:
    try:
        json_patch(operations)
    except Malformed:
        return False
    return True


NO_JSON_PATCH: dict[str, Any] = {
    "object": {},
    "null": None,
    "text": "[]",
    "number": 1,
    "list of numbers": [1],
    "no op": [{"path": "/a", "value": 1}],
    "unknown op": [{"op": "merge", "path": "/a", "value": 1}],
    "op of another type": [{"op": ["add"], "path": "/a", "value": 1}],
    "op is an object": [{"op": {}, "path": "/a", "value": 1}],
    "no path": [{"op": "add", "value": 1}],
    "path of another type": [{"op": "add", "path": ["a"], "value": 1}],
    "path without slash": [{"op": "add", "path": "a", "value": 1}],
    "bad escape": [{"op": "add", "path": "/a~2", "value": 1}],
    "no value": [{"op": "add", "path": "/a"}],
    "test without value": [{"op": "test", "path": "/a"}],
    "move without from": [{"op": "move", "path": "/a"}],
    "copy from nothing": [{"op": "copy", "path": "/a", "from": None}],
    "move into itself": [{"op": "move", "from": "/a", "path": "/a/b"}],
    "removes the document": [{"op": "remove", "path": ""}],
    "document becomes a list": [{"op": "replace", "path": "", "value": []}],
    "257 operations": [{"op": "test", "path": "/a", "value": 1}] * 257,
}


@pytest.mark.parametrize("name", NO_JSON_PATCH)
def test_what_is_no_json_patch_is_malformed(name: str) -> None:
    """Refused before any document is looked at."""
    with pytest.raises(Malformed):
        json_patch(NO_JSON_PATCH[name])


@pytest.mark.parametrize("value", [None, [], "a", 1, True])
def test_a_merge_patch_of_a_document_is_an_object(value: Any) -> None:
    """Anything else would make the document something that has no sections."""
    with pytest.raises(Malformed):
        merge_patch(value)


def test_a_patch_that_undoes_itself_changes_nothing() -> None:
    """What counts is the difference between before and after, not the steps between."""
    document = {"a": {"x": 1, "list": [1, 2]}}
    for operations in (
        [{"op": "add", "path": "/a/y", "value": 1}, {"op": "remove", "path": "/a/y"}],
        [{"op": "replace", "path": "/a/x", "value": 2}, {"op": "replace", "path": "/a/x", "value": 1.0}],
        [{"op": "move", "from": "/a/x", "path": "/a/y"}, {"op": "move", "from": "/a/y", "path": "/a/x"}],
        [{"op": "remove", "path": "/a/list/0"}, {"op": "add", "path": "/a/list/0", "value": 1}],
    ):
        assert json_patch(operations).ops_for(document, MOST_BYTES) == []


def test_replacing_the_whole_document_is_done_section_by_section() -> None:
    """Sections that stay as they are get no op, missing ones are removed, others are added or replaced."""
    document = {"a": 1, "b": 2, "c": 3}
    patch = json_patch([{"op": "replace", "path": "", "value": {"b": 2, "c": 4, "d": 5}}])
    ops = patch.ops_for(document, MOST_BYTES)
    assert sorted((op["op"], op["path"]) for op in ops) == [("add", "/d"), ("remove", "/a"), ("replace", "/c")]
    assert patch.names == {"b", "c", "d"}
    assert patch.writes == set()


def test_replacing_and_removing_a_section() -> None:
    """``PUT`` and ``DELETE`` of a section: whatever was there, and nothing where it is so already."""
    assert apply({"a": 1}, replace_section("a", [2]).ops_for({"a": 1}, MOST_BYTES)) == {"a": [2]}
    assert apply({}, replace_section("a", None).ops_for({}, MOST_BYTES)) == {"a": None}
    assert replace_section("a/b~", 1).ops_for({}, MOST_BYTES)[0]["path"] == "/a~1b~0"
    assert replace_section("a", 1).ops_for({"a": 1}, MOST_BYTES) == []
    assert apply({"a": 1}, remove_section("a").ops_for({"a": 1}, MOST_BYTES)) == {}
    assert remove_section("a").ops_for({}, MOST_BYTES) == []


@pytest.mark.parametrize("levels", [63, 64])
def test_no_patch_makes_a_document_of_more_than_64_levels(levels: int) -> None:
    """A value that fits by itself is refused where its place makes it too deep."""
    for kind in ("list", "object"):
        patch = replace_section("a", nested(levels, kind))
        if levels == 63:
            assert apply({}, patch.ops_for({}, MOST_BYTES)) == {"a": nested(63, kind)}
        else:
            with pytest.raises(Malformed):
                patch.ops_for({}, MOST_BYTES)


def test_moving_and_copying_deeper_is_held_to_64_levels() -> None:
    """Each step nests the whole once more: the 64th is refused."""
    document: dict[str, Any] = {"a": {}, "b": {"x": nested(60)}}
    deep: dict[str, Any] = {"op": "copy", "from": "/b/x", "path": "/a/y"}
    assert json_patch([deep]).ops_for(document, MOST_BYTES)
    inside: list[dict[str, Any]] = [
        {"op": "add", "path": "/a/y", "value": {"z": {"z": {}}}},
        deep | {"path": "/a/y/z/z/z"},
    ]
    for kind in ("copy", "move"):
        with pytest.raises(Malformed):
            json_patch([inside[0], inside[1] | {"op": kind}]).ops_for(document, MOST_BYTES)


def test_ops_stay_as_they_were_noted() -> None:
    """A value moved or copied and then written to appears in the earlier op as it was then."""
    document = {"a": {"x": [1]}}
    operations = [
        {"op": "add", "path": "/a/x/-", "value": 2},
        {"op": "move", "from": "/a/x", "path": "/a/y"},
        {"op": "add", "path": "/a/y/-", "value": 3},
        {"op": "copy", "from": "/a/y", "path": "/a/z"},
        {"op": "add", "path": "/a/z/-", "value": 4},
        {"op": "replace", "path": "/a/y/0", "value": 0},
    ]
    given_document = copy.deepcopy(document)
    ops = json_patch(operations).ops_for(document, MOST_BYTES)
    assert apply(document, ops) == {"a": {"y": [0, 2, 3], "z": [1, 2, 3, 4]}}
    assert [op["value"] for op in ops if op["path"] in ("/a/y", "/a/z")] == [[1, 2], [1, 2, 3]]
    assert document == given_document
