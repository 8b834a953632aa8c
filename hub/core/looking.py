"""Looking again: whoever meets a key it does not know asks whether there are other keys by now, before it says no."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

LookAgain: TypeAlias = Callable[[], bool]
"""Whether there are other keys now; if so, everybody has them already."""


def nowhere() -> bool:
    """Keys that never change."""
    return False
