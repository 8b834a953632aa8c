"""Programs under test: started, spoken to, and ended without anything left over."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import becomes

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 20.0

Program = subprocess.Popen[str]


@contextmanager
def running(
    arguments: list[str], extra: Mapping[str, str] | None = None, cwd: Path = ROOT, keep: Sequence[socket.socket] = ()
) -> Iterator[Program]:
    """``python ARGUMENTS`` with piped output, inheriting ``keep``; killed at the end if it still runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "HUB_METRICS_BIND": "", **(extra or {})}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdout=pipe,
        stderr=pipe,
        text=True,
        env=environment,
        cwd=cwd,
        pass_fds=[inherited.fileno() for inherited in keep],
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def line_of(program: Program) -> str:
    """The next line on stdout (the test's own time limit guards it)."""
    assert program.stdout is not None
    line = program.stdout.readline()
    if not line:
        assert program.stderr is not None
        raise AssertionError(f"ended with {program.wait()}: {program.stderr.read()}")
    return line.strip()


def end_of(program: Program) -> tuple[int, str]:
    """Exit code and stderr, once it has ended by itself."""
    _, said = program.communicate(timeout=DEADLINE_SECONDS)
    return program.returncode, said


def eventually(is_so: Callable[[], bool], what: str) -> None:
    """Wait for a fact."""
    assert becomes(is_so, DEADLINE_SECONDS), f"not within {DEADLINE_SECONDS} s: {what}"


def is_alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
