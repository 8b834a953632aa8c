"""JSON Merge Patch (RFC 7396): what it means for a document, told in ops.

Every op names its whole path, and itself. Where many small changes lie side by side, or at the end of a long path,
that would be far more text than the patch itself, so such a patch is told in one op for each section instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.core import pointer
from hub.core.document import Op
from hub.core.json import Json, Object, equal

OP_BYTES = 32  # about what an op takes beside its path and value: {"op":"replace","path":"","value":}


@dataclass(frozen=True, slots=True)
class MergePatch:
    """JSON Merge Patch (RFC 7396): objects merge, ``null`` removes, everything else replaces."""

    value: Object

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.value)

    @property
    def writes(self) -> frozenset[str]:
        return self.names

    @property
    def reads(self) -> frozenset[str]:
        return frozenset()

    def ops_for(self, document: Object, max_bytes: int) -> list[Op]:
        merge = _Merge(max_bytes)
        merge.into(document, self.value, ())
        return merge.ops if merge.room >= 0 else _section_by_section(document, self.value)


class _Merge:
    """One merge patch being turned into ops, until they take more room, beside their values, than a document may."""

    def __init__(self, room: int) -> None:
        self.ops: list[Op] = []
        self.room = room

    def into(self, target: Object, patch: Object, place: tuple[str, ...]) -> None:
        for name, value in patch.items():
            if self.room < 0:
                return
            at, present = (*place, name), name in target
            if value is None:
                if present:
                    self._note("remove", at)
            elif isinstance(value, dict) and isinstance(target.get(name), dict):
                self.into(target[name], value, at)
            else:
                value = _merged(None, value)
                if not present:
                    self._note("add", at, value)
                elif not equal(target[name], value):
                    self._note("replace", at, value)

    def _note(self, op: str, at: tuple[str, ...], value: Json = None) -> None:
        path = pointer.join(at)
        self.room -= len(path) + OP_BYTES
        self.ops.append({"op": op, "path": path} if op == "remove" else {"op": op, "path": path, "value": value})


def _section_by_section(document: Object, patch: Object) -> list[Op]:
    """The same patch in few words: each section that changes is replaced whole."""
    ops: list[Op] = []
    for name, value in patch.items():
        path, present = pointer.join([name]), name in document
        if value is None:
            if present:
                ops.append({"op": "remove", "path": path})
        elif not equal(document.get(name), value := _merged(document.get(name), value)):
            ops.append({"op": "replace" if present else "add", "path": path, "value": value})
    return ops


def _merged(target: Json, patch: Json) -> Json:
    """``target`` after ``patch`` (RFC 7396 §2), neither of them changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result
