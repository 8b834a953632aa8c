"""Patches: what a caller wants done to the document it sees, and the ops that come of it.

A patch is the caller's intent and is kept until it is committed: after a lost race it is applied again
to the newer document. It is applied to the *visible* document, so a caller can neither test nor replace
what it may not see; the ops that result lie in sections and fit the whole document as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from hub.core import pointer
from hub.core.document import Draft, Op
from hub.core.json import Json, Object, check_depth, dumps, equal
from hub.core.limits import MAX_OPS
from hub.errors import Malformed, PatchConflict, TooLarge


class Patch(Protocol):
    """An intent: which sections it writes and reads, and the ops it means for a given document."""

    @property
    def writes(self) -> frozenset[str]:
        """Sections named as places to write to."""

    @property
    def reads(self) -> frozenset[str]:
        """Sections named as sources (``from``, ``test``)."""

    def ops_for(self, document: Object, max_bytes: int) -> list[Op]:
        """The ops that make the wish come true; none where it already is. Raises ``PatchConflict``, ``TooLarge``."""


@dataclass(frozen=True, slots=True)
class MergePatch:
    """JSON Merge Patch (RFC 7396): objects merge, ``null`` removes, everything else replaces."""

    value: Object

    @property
    def writes(self) -> frozenset[str]:
        return frozenset(self.value)

    @property
    def reads(self) -> frozenset[str]:
        return frozenset()

    def ops_for(self, document: Object, max_bytes: int) -> list[Op]:
        ops: list[Op] = []
        _merge(document, self.value, "", ops)
        return ops


def merge_patch(value: Json) -> MergePatch:
    """Check a request's body. Raises ``Malformed`` where it is no object."""
    if not isinstance(value, dict):
        raise Malformed("A merge patch of a document is an object of sections (RFC 7396)")
    return MergePatch(value)


def _merge(target: Object, patch: Object, prefix: str, ops: list[Op]) -> None:
    for name, value in patch.items():
        path = f"{prefix}/{pointer.escape(name)}"
        present = name in target
        if value is None:
            if present:
                ops.append({"op": "remove", "path": path})
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value, path, ops)
        else:
            value = _without_nulls(value)
            if not present:
                ops.append({"op": "add", "path": path, "value": value})
            elif not equal(target[name], value):
                ops.append({"op": "replace", "path": path, "value": value})


def _without_nulls(value: Json) -> Json:
    """What a merge patch makes of nothing: the same, without members that say ``null``."""
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(member) for name, member in value.items() if member is not None}


@dataclass(frozen=True, slots=True)
class Operation:
    """One checked operation of a JSON Patch (RFC 6902 §4)."""

    op: str
    path: Sequence[str]
    value: Json = None
    source: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class JsonPatch:
    """JSON Patch (RFC 6902), applied whole or not at all."""

    operations: Sequence[Operation]

    @property
    def writes(self) -> frozenset[str]:
        places = {each.path[0] for each in self.operations if each.path and each.op != "test"}
        moved = {each.source[0] for each in self.operations if each.op == "move" and each.source}
        wholes = [each.value for each in self.operations if not each.path and each.op != "test"]
        return frozenset(places | moved | {name for whole in wholes for name in whole})

    @property
    def reads(self) -> frozenset[str]:
        tested = {each.path[0] for each in self.operations if each.op == "test" and each.path}
        return frozenset(tested | {each.source[0] for each in self.operations if each.source})

    def ops_for(self, document: Object, max_bytes: int) -> list[Op]:
        run = _Run(document, max_bytes)
        for operation in self.operations:
            run.do(operation)
        return run.ops


def json_patch(value: Json) -> JsonPatch:
    """Check a request's body. Raises ``Malformed`` for what is no JSON Patch of a document."""
    if not isinstance(value, list):
        raise Malformed("A JSON Patch is an array of operations (RFC 6902)")
    if len(value) > MAX_OPS:
        raise Malformed(f"A patch has {MAX_OPS} operations at most")
    return JsonPatch([_operation(each) for each in value])


def replace_section(section: str, value: Json) -> JsonPatch:
    """The patch that makes ``section`` be ``value``, whatever it was."""
    return JsonPatch([Operation("add", (section,), value)])


def remove_section(section: str) -> MergePatch:
    """The patch after which there is no ``section``, whether there was one or not."""
    return MergePatch({section: None})


def _operation(raw: Json) -> Operation:
    if not isinstance(raw, dict):
        raise Malformed("An operation of a JSON Patch is an object")
    op, path = raw.get("op"), pointer.parse(raw.get("path"))
    if op in ("add", "replace", "test"):
        if "value" not in raw:
            raise Malformed(f"The operation {op!r} needs a value")
        if not path and op != "test" and not isinstance(raw["value"], dict):
            raise Malformed("A document is an object of sections")
        return Operation(op, path, raw["value"])
    if op == "remove":
        if not path:
            raise Malformed("A document cannot be removed; end the session instead")
        return Operation(op, path)
    if op in ("move", "copy"):
        source = pointer.parse(raw.get("from"))
        if not path or not source:
            raise Malformed(f"The operation {op!r} works between places inside the document")
        if op == "move" and len(path) > len(source) and pointer.is_prefix(source, path):
            raise Malformed("A value cannot be moved into itself (RFC 6902 §4.4)")
        return Operation(op, path, source=source)
    raise Malformed("An operation is add, replace, remove, move, copy or test")


class _Run:
    """One JSON Patch on its way through one document: collects ops, keeps an eye on the size."""

    def __init__(self, document: Object, max_bytes: int) -> None:
        self.ops: list[Op] = []
        self._draft = Draft(document)
        self._room = max_bytes  # bytes that copies may still add: stops patches that double and double
        self._max_bytes = max_bytes

    def do(self, operation: Operation) -> None:
        _STEPS[operation.op](self, operation)

    def test(self, operation: Operation) -> None:
        if not equal(self._draft.get(operation.path), operation.value):
            raise PatchConflict(f"The test of {pointer.join(operation.path)[:200]!r} failed")

    def add(self, operation: Operation) -> None:
        if operation.path:
            self._put(operation.path, operation.value)
        else:
            self._replace_all(operation.value)

    def replace(self, operation: Operation) -> None:
        self._draft.get(operation.path)
        if not operation.path:
            self._replace_all(operation.value)
        else:
            self._overwrite(operation.path, operation.value)

    def remove(self, operation: Operation) -> None:
        self._draft.remove(operation.path)
        self._note("remove", operation.path)

    def copy(self, operation: Operation) -> None:
        text = dumps(self._draft.get(operation.source))
        self._room -= len(text)
        if self._room < 0:
            raise TooLarge("Copies make the document too large", limit_bytes=self._max_bytes)
        self._put(operation.path, orjson.loads(text))

    def move(self, operation: Operation) -> None:
        if list(operation.source) == list(operation.path):
            self._draft.get(operation.source)
            return
        value = self._draft.remove(operation.source)
        self._note("remove", operation.source)
        # A copy, because the draft may own the value and write to it later: noted ops must stay as they are.
        self._put(operation.path, orjson.loads(dumps(value)))

    def _put(self, path: Sequence[str], value: Json) -> None:
        """``add`` as RFC 6902 §4.1 has it: over an existing member it replaces."""
        parent = self._draft.get(path[:-1])
        if isinstance(parent, dict) and path[-1] in parent:
            self._overwrite(path, value)
            return
        check_depth(value, len(path))
        self._note("add", self._draft.add(path, value), value)

    def _overwrite(self, path: Sequence[str], value: Json) -> None:
        check_depth(value, len(path))
        if not equal(self._draft.get(path), value):
            self._draft.replace(path, value)
            self._note("replace", path, value)

    def _replace_all(self, value: Object) -> None:
        for section in [name for name in self._draft.root if name not in value]:
            self._draft.remove([section])
            self._note("remove", [section])
        for section, content in value.items():
            self._put([section], content)

    def _note(self, op: str, path: Sequence[str], value: Json = None) -> None:
        entry: Op = {"op": op, "path": pointer.join(path)}
        if op != "remove":
            entry["value"] = value
        self.ops.append(entry)


_STEPS: Mapping[str, Callable[[_Run, Operation], None]] = {
    "test": _Run.test,
    "add": _Run.add,
    "replace": _Run.replace,
    "remove": _Run.remove,
    "copy": _Run.copy,
    "move": _Run.move,
}
