"""What an operator sees of a document: its shape, and of its values only what kind they are.

Values are masked but for ``null``, ``true`` and ``false``. The name of a member is shown where it looks like one that
a program gives (``items``, ``street_2``) or like a place in an array; one that may be data (an address, a number, a
token) becomes a mark. Within a session the same name always has the same mark, so that ops masked here fit a document
masked here; nobody can turn a mark back, nor compare the marks of two sessions. What this cannot tell is a person's
name from a program's word: data belongs into values.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from hub.core import pointer
from hub.core.access import View
from hub.core.document import Op
from hub.core.json import Json, Object

MASK = "•••"
MARK_DIGITS = 12
MOST_DIGITS, MOST_CAPITALS = 3, 4  # of a name; what has more counts, dates or identifies something
SECRET = "[secret]"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
_INDEX = re.compile(r"0|[1-9][0-9]{0,6}")
_TOKEN = re.compile(
    r"hub_(?:st|sk)_[A-Za-z0-9._-]+|hub\.ticket\.[A-Za-z0-9_-]+|eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}"
)


def masked(value: Json, key: bytes) -> Json:
    """The same structure, unreadable. ``key`` makes the marks."""
    if isinstance(value, dict):
        return {_mark(name, key): masked(member, key) for name, member in value.items()}
    if isinstance(value, list):
        return [masked(member, key) for member in value]
    return value if value is None or isinstance(value, bool) else MASK


def without_tokens(value: Json) -> Json:
    """The same with everything that looks like a credential replaced: real values are shown, proofs never."""
    match value:
        case str():
            return _TOKEN.sub(SECRET, value)
        case dict():
            return {_TOKEN.sub(SECRET, name): without_tokens(member) for name, member in value.items()}
        case list():
            return [without_tokens(member) for member in value]
        case _:
            return value


def _mark(name: str, key: bytes) -> str:
    if _INDEX.fullmatch(name) or (_NAME.fullmatch(name) and _is_said_by_a_program(name)):
        return name
    return MASK + hmac.digest(key, name.encode(), "sha256").hex()[:MARK_DIGITS]


def _is_said_by_a_program(name: str) -> bool:
    digits, capitals = sum(map(str.isdigit, name)), sum(map(str.isupper, name))
    return digits <= MOST_DIGITS and (capitals <= MOST_CAPITALS or name.isupper())


@dataclass(frozen=True, slots=True)
class MaskedView(View):
    """A whole document, masked. ``key`` belongs to the session, and so does the name of the view."""

    key: bytes = field(repr=False)

    def of_document(self, document: Object) -> Object:
        return {section: masked(value, self.key) for section, value in document.items()}

    def of_ops(self, ops: Iterable[Op]) -> list[Op]:
        return [self._op(op) for op in ops]

    def _op(self, op: Op) -> Op:
        section, *inside = pointer.parse(op["path"])
        path = pointer.join([section, *(_mark(token, self.key) for token in inside)])
        return op | {"path": path} | ({"value": masked(op["value"], self.key)} if "value" in op else {})


class Masks:
    """Masked views by session. ``key`` is a secret of the hub, the same on all its nodes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def view_of(self, sid: str) -> MaskedView:
        """What operators see of a session."""
        key = hmac.digest(self._key, b"mask " + sid.encode(), "sha256")
        return MaskedView(hmac.digest(key, b"view", "sha256").hex()[:8], frozenset(), key)
