"""Who may see and change which sections: grants, and the views that follow from them.

A grant is ``"read"`` or ``"write"`` (which includes reading) on one section. The grants of a caller are
a plain mapping; a *view* is the part of it that decides what a connection shows, with a name of its own,
so that a copy made under other rights is never continued.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hub.core.document import Op, section_of
from hub.core.json import Object, dumps

Right: TypeAlias = Literal["read", "write"]
Grants: TypeAlias = Mapping[str, Right]

IDENTITY = "identity"
"""The section the hub writes at log-in; nobody else writes it."""


def narrow(grants: Grants, to: Grants) -> dict[str, Right]:
    """What both allow: the weaker right on each section that both name."""
    return {
        section: "write" if right == to[section] == "write" else "read"
        for section, right in grants.items()
        if section in to
    }


def not_writable(grants: Grants, sections: Iterable[str]) -> list[str]:
    """Those of ``sections`` that ``grants`` does not let one write, sorted."""
    return sorted(section for section in sections if grants.get(section) != "write")


def not_readable(grants: Grants, sections: Iterable[str]) -> list[str]:
    """Those of ``sections`` that ``grants`` does not let one read, sorted."""
    return sorted(section for section in sections if section not in grants)


@dataclass(frozen=True, slots=True)
class View:
    """The sections one connection or app sees, named by 8 hex digits over names and rights."""

    name: str
    sections: frozenset[str]

    @classmethod
    def of(cls, grants: Grants) -> View:
        digest = hashlib.sha256(dumps(sorted(grants.items()))).hexdigest()
        return cls(digest[:8], frozenset(grants))

    def of_document(self, document: Object) -> Object:
        """The visible part of ``document``."""
        return {name: value for name, value in document.items() if name in self.sections}

    def of_ops(self, ops: Iterable[Op]) -> list[Op]:
        """The visible ones of ``ops``."""
        return [op for op in ops if section_of(op) in self.sections]
