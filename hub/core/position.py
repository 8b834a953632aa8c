"""Positions: names for one exact state of one exact history.

``"42.9f3a1c02"`` is revision 42 whose chain value begins with ``9f3a1c02``. Two histories that part
ways get other tags, so a position from a store that lost commits never names another document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_POSITION = re.compile(r"([1-9][0-9]{0,15})\.([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Position:
    """A point in one session's history. Equal positions mean equal documents."""

    revision: int
    tag: str

    def __str__(self) -> str:
        return f"{self.revision}.{self.tag}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read ``"<revision>.<tag>"``. Raises ``ValueError`` for anything else."""
        match = _POSITION.fullmatch(text)
        if match is None:
            raise ValueError("a position looks like 42.9f3a1c02")
        return cls(int(match[1]), match[2])
