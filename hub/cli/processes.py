"""Child processes of the demo: each with a log of its own, none of which outlives this process."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Child:
    """A running program and the file its output goes to."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def has_stopped(self) -> bool:
        """Whether it is no longer running."""
        return self.process.returncode is not None

    def last_words(self) -> str:
        """The last line of its log that says something."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else "nothing"


async def start(name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Child:
    """Start a program whose output goes to ``folder/<name>.log``."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches this process alone, which stops the others in order
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    return Child(name, process, log)


async def stop(children: Sequence[Child], seconds: float) -> None:
    """SIGTERM to all, then SIGKILL to whoever is still there after ``seconds``."""
    for child in children:
        _signal(child, signal.SIGTERM)
    waits = [asyncio.ensure_future(child.process.wait()) for child in children]
    if waits:
        await asyncio.wait(waits, timeout=seconds)
    for child in children:
        _signal(child, signal.SIGKILL)
    await asyncio.gather(*waits)


def _signal(child: Child, number: signal.Signals) -> None:
    if not child.has_stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.process.pid, number)


def _die_with_parent() -> None:
    """Between fork and exec: a child must not outlive a demo that was killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
