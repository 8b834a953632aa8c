"""RFC 7396 and RFC 6902, written down a second time and as plainly as they stand, for comparison."""

from __future__ import annotations

import copy
from typing import Any

from tests.core.strategies import comparable

Json = Any


class Refused(Exception):
    """The reference finds that a patch does not fit."""


def merged(target: Json, patch: Json) -> Json:
    """``MergePatch(Target, Patch)`` of RFC 7396 §2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def patched(document: Json, operations: list[dict[str, Any]]) -> Json:
    """The document after a JSON Patch (RFC 6902 §4), or ``Refused``."""
    document = copy.deepcopy(document)
    for operation in operations:
        document = _step(document, operation)
    return document


def _step(document: Json, operation: dict[str, Any]) -> Json:
    path = _tokens(operation["path"])
    match operation["op"]:
        case "test":
            if comparable(_get(document, path)) != comparable(operation["value"]):
                raise Refused
            return document
        case "replace":
            _get(document, path)
            return _added(_removed(document, path), path, copy.deepcopy(operation["value"]))
        case "remove":
            return _removed(document, path)
        case "add":
            return _added(document, path, copy.deepcopy(operation["value"]))
        case "copy":
            return _added(document, path, copy.deepcopy(_get(document, _tokens(operation["from"]))))
        case _:
            source = _tokens(operation["from"])
            if path[: len(source)] == source and path != source:
                raise Refused
            value = _get(document, source)
            return document if path == source else _added(_removed(document, source), path, value)


def _tokens(text: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:]]


def _get(value: Json, path: list[str]) -> Json:
    for token in path:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list):
            value = value[_index(token, len(value) - 1)]
        else:
            raise Refused
    return value


def _index(token: str, most: int) -> int:
    if token not in {str(number) for number in range(most + 1)}:
        raise Refused
    return int(token)


def _added(document: Json, path: list[str], value: Json) -> Json:
    parent = _get(document, path[:-1])
    if isinstance(parent, dict):
        parent[path[-1]] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if path[-1] == "-" else _index(path[-1], len(parent)), value)
    else:
        raise Refused
    return document


def _removed(document: Json, path: list[str]) -> Json:
    _get(document, path)
    parent = _get(document, path[:-1])
    del parent[path[-1] if isinstance(parent, dict) else int(path[-1])]
    return document
