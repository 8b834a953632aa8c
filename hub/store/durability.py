"""When a write counts as made: ``local``, ``replicated:N`` or ``fsynced``, and what the store is asked to wait for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

CONFIRM_MS = 2000

Confirmed: TypeAlias = Literal["all", "some", "none"]


@dataclass(frozen=True, slots=True)
class Durability:
    """``replicas`` that must have a write, or that the primary must have ``fsynced`` it. Neither: ``local``."""

    replicas: int = 0
    fsynced: bool = False

    @classmethod
    def parse(cls, text: str) -> Durability:
        """As the configuration has it."""
        kind, _, number = text.partition(":")
        return cls(int(number) if kind == "replicated" else 0, kind == "fsynced")

    @property
    def is_local(self) -> bool:
        """Whether the primary's word is enough."""
        return not (self.replicas or self.fsynced)

    def wait(self) -> tuple[Any, ...]:
        """The command that waits for it."""
        return ("WAITAOF", 1, 0, CONFIRM_MS) if self.fsynced else ("WAIT", self.replicas, CONFIRM_MS)

    def is_met(self, copies: Any) -> bool:
        """Whether the answer to that says so; ``None`` is no answer."""
        if self.fsynced:
            return isinstance(copies, list) and copies[0] >= 1
        return isinstance(copies, int) and copies >= self.replicas


def judge_copies(copies: Any, replicas: int) -> Confirmed:
    """How many of the replicas there were have it."""
    found = copies if isinstance(copies, int) else 0
    return "all" if found >= replicas else "some" if found else "none"
