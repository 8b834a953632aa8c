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
from hub.core.merge import MergePatch
from hub.errors import Malformed, PatchConflict, TooLarge


class Patch(Protocol):
    """An intent: which sections it writes and reads, and the ops it means for a given document."""

    @property
    def names(self) -> frozenset[str]:
        """Every section the patch names."""

    @property
    def writes(self) -> frozenset[str]:
        """Sections named as places to write to. A whole new document says only in its ops what it writes."""

    @property
    def reads(self) -> frozenset[str]:
        """Sections named as sources (``from``, ``test``)."""

    def ops_for(self, document: Object, max_bytes: int) -> list[Op]:
        """The ops that make the wish come true; none where it already is. Raises ``PatchConflict``, ``TooLarge``."""


def merge_patch(value: Json) -> MergePatch:
    """Check a request's body. Raises ``Malformed`` where it is no object."""
    if not isinstance(value, dict):
        raise Malformed("A merge patch of a document is an object of sections (RFC 7396)")
    return MergePatch(value)


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
    def names(self) -> frozenset[str]:
        wholes = [each.value for each in self.operations if not each.path and each.op != "test"]
        return frozenset(self.writes | self.reads | {name for whole in wholes for name in whole})

    @property
    def writes(self) -> frozenset[str]:
        places = {each.path[0] for each in self.operations if each.path and each.op != "test"}
        return frozenset(places | {each.source[0] for each in self.operations if each.op == "move"})

    @property
    def reads(self) -> frozenset[str]:
        tested = {each.path[0] for each in self.operations if each.op == "test" and each.path}
        return frozenset(tested | {each.source[0] for each in self.operations if each.source})

    def ops_for(self, document: Object, max_bytes: int) -> list[Op]:
        run = _Run(document, max_bytes)
        for operation in self.operations:
            run.do(operation)
        return run.ops if run.has_changed(document) else []


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
        self._max_bytes = max_bytes
        self._room = 2 * max_bytes  # for what is copied and moved: each time it is written out whole

    def do(self, operation: Operation) -> None:
        _STEPS[operation.op](self, operation)

    def has_changed(self, document: Object) -> bool:
        """Whether the result differs from ``document``: the steps may undo each other."""
        return len(self.ops) == 1 or not equal(self._draft.root, document)

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
        self._put(operation.path, self._carried(self._draft.get(operation.source)))

    def move(self, operation: Operation) -> None:
        if list(operation.source) == list(operation.path):
            self._draft.get(operation.source)
            return
        value = self._draft.remove(operation.source)
        self._note("remove", operation.source)
        self._put(operation.path, self._carried(value))

    def _carried(self, value: Json) -> Json:
        """A copy, because the draft may own the value and write to it later: noted ops must stay as they are."""
        text = dumps(value)
        self._room -= len(text)
        if self._room < 0:
            raise TooLarge("Copies and moves make too much of the document", limit_bytes=self._max_bytes)
        return orjson.loads(text)

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
