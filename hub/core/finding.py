"""What a look at one thing found: whether it is as it should be, and what to do where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["ok", "warn", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report. ``warn``: it works, and may not for ever. ``to_do``: empty where nothing is to be done."""

    name: str
    state: State
    said: str
    to_do: str = ""


def worst(states: list[State]) -> State:
    """What a report comes to."""
    return next((state for state in ("failed", "warn") if state in states), "ok")
