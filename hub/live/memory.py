"""How much memory is left before somebody is killed for it.

What counts is what the kernel counts: the control group's limit where there is one (a container), and the machine's
available memory. A node's own size would say nothing about a store or other workers beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SPARE_FRACTION = 0.1
MOST_SPARE_BYTES = 512 * 1024 * 1024  # at 40 KiB a connection, room for twelve thousand that are on their way
WAITING_FRACTION = 0.125
# version 2, version 1: limit, usage, and statistics with what of it is only cache
CGROUPS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)


@dataclass(frozen=True, slots=True)
class Room:
    """Memory that may be used, and what of it is free, in bytes."""

    limit: int
    free: int

    @property
    def is_short(self) -> bool:
        """Whether so little is left that nothing more may be taken on."""
        return self.free < min(self.limit * SPARE_FRACTION, MOST_SPARE_BYTES)


class Memory:
    """Looks when asked; ``is_short`` is what was seen last."""

    def __init__(self, proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> None:
        self._proc, self._cgroup = proc, cgroup
        self.is_short = False

    def look(self) -> None:
        """Some small files of the kernel; where there are none, memory is never short."""
        self.is_short = any(room.is_short for room in self.rooms())

    def most_waiting_bytes(self) -> int:
        """What frames that wait for tabs may take up, of the smallest of the rooms (0: not known)."""
        return round(min((room.limit for room in self.rooms()), default=0) * WAITING_FRACTION)

    def rooms(self) -> list[Room]:
        """The machine, and the control group if it has a limit."""
        found = [self._machine(), *(self._group(*names) for names in CGROUPS)]
        return [room for room in found if room is not None]

    def _machine(self) -> Room | None:
        try:
            lines = (self._proc / "meminfo").read_text().splitlines()
        except OSError:
            return None
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if rest}
        if "MemAvailable" not in kib:
            return None
        return Room(kib["MemTotal"] * 1024, kib["MemAvailable"] * 1024)

    def _group(self, limit: str, usage: str, statistics: str, cached: str) -> Room | None:
        try:
            most = (self._cgroup / limit).read_text().strip()
            used = int((self._cgroup / usage).read_text())
            lines = (self._cgroup / statistics).read_text().splitlines()
        except OSError:
            return None
        if most == "max":
            return None
        cache = next((int(line.split()[1]) for line in lines if line.startswith(f"{cached} ")), 0)
        return Room(int(most), int(most) - used + cache)
