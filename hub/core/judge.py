"""What a copy of a session does with the next change it hears.

Pure. The browser's copy is the same machine; both pass ``tests/vectors/judge.json``.
"""

from __future__ import annotations

from enum import Enum

from hub.core.position import Position


class Verdict(Enum):
    """What to do with a change."""

    APPLY = "apply"  # it continues this copy
    STALE = "stale"  # this copy already holds it
    FORK = "fork"  # same revision, other history: reload
    GAP = "gap"  # something in between was missed: reload


def judge(at: Position, base: Position, position: Position) -> Verdict:
    """The verdict of a copy that stands at ``at`` on a change from ``base`` to ``position``."""
    if base == at:
        return Verdict.APPLY
    if position == at or position.revision < at.revision:
        return Verdict.STALE
    if position.revision == at.revision:
        return Verdict.FORK
    return Verdict.GAP
