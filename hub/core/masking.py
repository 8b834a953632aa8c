"""What an operator sees of a document: its shape, and of its values only what kind they are."""

from __future__ import annotations

from hub.core.document import Op
from hub.core.json import Json, Object

MASK = "•••"


def masked(value: Json) -> Json:
    """The same structure with every value but ``null``, ``true`` and ``false`` made unreadable."""
    if isinstance(value, dict):
        return {name: masked(member) for name, member in value.items()}
    if isinstance(value, list):
        return [masked(member) for member in value]
    return value if value is None or isinstance(value, bool) else MASK


def masked_ops(ops: list[Op]) -> list[Op]:
    """The same operations with their values masked."""
    return [op | {"value": masked(op["value"])} if "value" in op else op for op in ops]


def masked_document(document: Object) -> Object:
    """A whole document, masked."""
    return {name: masked(value) for name, value in document.items()}
