"""Memory that is left, as the kernel tells it: of the machine, and of a control group of either version."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.live.memory import MOST_SPARE_BYTES, Memory, Room

GIB = 1024**3
MIB = 1024**2


def machine(folder: Path, total: int, available: int) -> None:
    """``/proc/meminfo``."""
    folder.mkdir(exist_ok=True)
    lines = [f"MemTotal: {total // 1024} kB", "MemFree: 1 kB", f"MemAvailable: {available // 1024} kB", "HugePages: 0"]
    (folder / "meminfo").write_text("\n".join(lines) + "\n")


def group(folder: Path, version: int, limit: int | str, used: int, cached: int) -> None:
    """The control group that a container sees at the root."""
    home = folder if version == 2 else folder / "memory"
    home.mkdir(parents=True, exist_ok=True)
    names = {2: ("max", "current", "inactive_file"), 1: ("limit_in_bytes", "usage_in_bytes", "total_inactive_file")}
    most, now, cache = names[version]
    (home / f"memory.{most}").write_text(f"{limit}\n")
    (home / f"memory.{now}").write_text(f"{used}\n")
    (home / "memory.stat").write_text(f"anon 1\n{cache} {cached}\n")


@pytest.mark.parametrize(
    ("total", "free", "is_short"),
    [(256 * MIB, 26 * MIB, False), (256 * MIB, 25 * MIB, True), (64 * GIB, GIB, False), (64 * GIB, 500 * MIB, True)],
)
def test_a_tenth_is_spared_and_half_a_gib_is_enough(tmp_path: Path, total: int, free: int, is_short: bool) -> None:
    """Of the machine, where nothing else is known."""
    machine(tmp_path / "proc", total, free)
    memory = Memory(tmp_path / "proc", tmp_path / "none")
    memory.look()
    assert memory.is_short is is_short


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_has_its_own_limit(tmp_path: Path, version: int) -> None:
    """What the kernel would drop first is free; the machine around it may have plenty."""
    machine(tmp_path / "proc", 64 * GIB, 60 * GIB)
    memory = Memory(tmp_path / "proc", tmp_path / "cgroup")
    group(tmp_path / "cgroup", version, GIB, GIB - 50 * MIB, 100 * MIB)
    memory.look()
    assert not memory.is_short
    assert memory.rooms()[1] == Room(GIB, 150 * MIB)
    assert memory.most_waiting_bytes() == GIB // 8
    group(tmp_path / "cgroup", version, GIB, GIB - 50 * MIB, 10 * MIB)
    memory.look()
    assert memory.is_short


def test_no_limit_and_nothing_to_read_is_no_shortage(tmp_path: Path) -> None:
    """Another kernel, or a group that may have everything."""
    group(tmp_path / "cgroup", 2, "max", 5 * GIB, 0)
    memory = Memory(tmp_path / "proc", tmp_path / "cgroup")
    memory.look()
    assert (memory.rooms(), memory.is_short, memory.most_waiting_bytes()) == ([], False, 0)


def test_this_machine_tells(tmp_path: Path) -> None:
    """The real files are read."""
    assert Memory().rooms()
    assert Memory().most_waiting_bytes() > 0
    assert MOST_SPARE_BYTES > 0
