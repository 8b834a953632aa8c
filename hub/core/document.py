"""The document of a session: an object of sections, and what operations do to it.

Ops are the subset of JSON Patch (RFC 6902) that goes over the wire: ``add``, ``replace``, ``remove``,
each with a path at or below one section. Documents are never changed in place: ``apply`` copies the
containers it touches and shares the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hub.core import pointer
from hub.core.json import Json, Object, dumps
from hub.core.limits import MAX_DEPTH
from hub.errors import Malformed, PatchConflict

Op = dict[str, Any]
"""``{"op": "add"|"replace"|"remove", "path": pointer, "value"?: JSON}``."""


def section_of(op: Op) -> str:
    """The section an op lies in (its first token, unescaped)."""
    path: str = op["path"]
    first = path[1:].split("/", 1)[0]
    return first.replace("~1", "/").replace("~0", "~") if "~" in first else first


def sections_of(ops: Iterable[Op]) -> set[str]:
    """The sections that ``ops`` touch."""
    return {section_of(op) for op in ops}


def size_of(ops: Iterable[Op]) -> int:
    """How many bytes these ops take on the wire."""
    return len(dumps(list(ops)))


def apply(document: Object, ops: Iterable[Op]) -> Object:
    """The document after ``ops``; the one given stays as it is. Raises ``PatchConflict``."""
    draft = Draft(document)
    for op in ops:
        tokens = pointer.parse(op["path"])
        match op["op"]:
            case "add":
                draft.add(tokens, op["value"])
            case "replace":
                draft.replace(tokens, op["value"])
            case "remove":
                draft.remove(tokens)
            case other:
                raise PatchConflict(f"{other!r} is no operation of a change")
    return draft.root


class Draft:
    """One document being worked on: copies a container the first time it is written to."""

    __slots__ = ("_owned", "root")

    def __init__(self, document: Object) -> None:
        self.root: Object = dict(document)
        # Containers made here, by id. They are kept alive by the list, so an id is never used twice.
        self._owned: dict[int, Json] = {id(self.root): self.root}

    def get(self, tokens: Sequence[str]) -> Json:
        """The value at ``tokens``. Raises ``PatchConflict`` where there is none."""
        value: Json = self.root
        for token in tokens:
            value = _child(value, token, tokens)
        return value

    def add(self, tokens: Sequence[str], value: Json) -> list[str]:
        """Add a member or insert an element; returns the tokens with ``-`` made an index."""
        parent, last = self._parent(tokens)
        if isinstance(parent, dict):
            parent[last] = value
            return list(tokens)
        at = len(parent) if last == "-" else _index(last, len(parent), tokens)
        parent.insert(at, value)
        return [*tokens[:-1], str(at)]

    def replace(self, tokens: Sequence[str], value: Json) -> None:
        """Put another value where one is."""
        parent, last = self._parent(tokens)
        _child(parent, last, tokens)
        if isinstance(parent, dict):
            parent[last] = value
        else:
            parent[int(last)] = value

    def remove(self, tokens: Sequence[str]) -> Json:
        """Take a value away, and return it."""
        parent, last = self._parent(tokens)
        value = _child(parent, last, tokens)
        del parent[last if isinstance(parent, dict) else int(last)]
        return value

    def _parent(self, tokens: Sequence[str]) -> tuple[Any, str]:
        """The container of the last token, made ours to write to on the way."""
        if not tokens:
            raise PatchConflict("The document as a whole is not a place in it")
        if len(tokens) > MAX_DEPTH:
            raise Malformed(f"JSON may nest {MAX_DEPTH} levels at most")
        here: Any = self.root
        for token in tokens[:-1]:
            child = _child(here, token, tokens)
            if not isinstance(child, dict | list):
                raise PatchConflict(f"There is nothing inside {pointer.join(tokens)[:200]}")
            if id(child) not in self._owned:
                child = child.copy()
                self._owned[id(child)] = child
                here[token if isinstance(here, dict) else int(token)] = child
            here = child
        return here, tokens[-1]


def _child(value: Json, token: str, tokens: Sequence[str]) -> Json:
    if isinstance(value, dict):
        if token in value:
            return value[token]
    elif isinstance(value, list):
        return value[_index(token, len(value) - 1, tokens)]
    raise PatchConflict(f"There is nothing at {pointer.join(tokens)[:200]}")


def _index(token: str, most: int, tokens: Sequence[str]) -> int:
    """An array index (RFC 6901 §4: digits, no leading zero) of at most ``most``."""
    well_formed = token.isascii() and token.isdigit() and (token == "0" or token[0] != "0")
    if well_formed and len(token) < 10 and int(token) <= most:
        return int(token)
    raise PatchConflict(f"There is no element {pointer.join(tokens)[:200]}")
