"""Takes the hub's defences away, one at a time, and expects the tests of that row of the table to object.

``python -m tests.security.mutate [ROW…]`` works on copies of the checkout in a temporary folder. First the tests of a
row must be green; then, with one defence replaced as ``defences/*.toml`` says, they must be red: an assertion that
fails, not a module that does not import, a node that does not start or a test that hangs. Exit 1 if anything is
otherwise: a surviving mutant is a guarantee that nobody tests.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.security.table import ROOT, Defence, by_row, defences
from tests.security.verdicts import FILE_VARIABLE

COPIED = ("hub", "demo_apps", "client_js", "tests", "deploy", "pyproject.toml", "README.md", "CHANGELOG.md", "Makefile")
LEFT_OUT = ("__pycache__", "node_modules", ".hypothesis", "*.pyc")
LINKED = ("tests/idp/node_modules",)
SECONDS = 240
JOBS = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one run said. ``kind``: ``green``, ``red``, or ``broken`` for a run that says nothing."""

    kind: str
    why: str
    seconds: float


def copy_of(source: Path, folder: Path) -> Path:
    """A copy of a checkout that can be changed freely; what is large and never changed is linked."""
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        elif (source / name).exists():
            shutil.copy2(source / name, folder / name)
    for name in LINKED:
        if (ROOT / name).is_dir() and (folder / name).parent.is_dir():
            (folder / name).symlink_to(ROOT / name)
    return folder


def run(folder: Path, node_ids: Sequence[str], *, first_failure_only: bool) -> Verdict:
    """Run tests in a copy."""
    verdicts = folder / "verdicts.jsonl"
    command = [sys.executable, "-m", "pytest", *node_ids, "-q", "-p", "no:cacheprovider"]
    command += ["-p", "tests.security.verdicts", *(["-x"] if first_failure_only else [])]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(folder), FILE_VARIABLE: str(verdicts)}
    start = time.monotonic()
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end_group(process)
    return _verdict(code, verdicts, folder / "output.txt", time.monotonic() - start)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Whatever a run left behind: nodes and stores of a test that was cut off."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _verdict(code: int | None, verdicts: Path, output: Path, seconds: float) -> Verdict:
    said = [json.loads(line) for line in verdicts.read_text().splitlines()] if verdicts.exists() else []
    if code is None:
        return Verdict("broken", f"not done after {SECONDS} s", seconds)
    if code == 0 and said and all(entry["kind"] == "passed" for entry in said):
        return Verdict("green", f"{len(said)} passed", seconds)
    failed = [entry for entry in said if entry["kind"] != "passed"]
    if code == 1 and failed and all(entry["kind"] == "assertion" for entry in failed):
        return Verdict("red", _told(failed[0]), seconds)
    last = output.read_text().strip().splitlines()[-1:]
    return Verdict("broken", _told(failed[0]) if failed else f"pytest ended with {code}: {' '.join(last)}", seconds)


def _told(entry: dict[str, str]) -> str:
    return f"{entry['test'].rpartition('::')[2]}: {entry['why']}"


def without(defence: Defence, snapshot: Path, tests: dict[int, list[str]]) -> Verdict:
    """The row's tests, in a copy that lacks the defence."""
    if problem := defence.problem(snapshot):
        return Verdict("broken", problem, 0.0)
    node_ids = [defence.test] if defence.test else tests.get(defence.row, [])
    if not node_ids:
        return Verdict("broken", "the row has no test", 0.0)
    with tempfile.TemporaryDirectory(prefix="hub-mutant-") as name:
        folder = copy_of(snapshot, Path(name))
        path = folder / defence.file
        path.write_text(path.read_text().replace(defence.find, defence.put))
        return run(folder, node_ids, first_failure_only=True)


def main(rows: Iterable[int]) -> int:
    """Run for these rows, or for all. 0 if every row is green and every mutant red."""
    wanted, tests = set(rows), by_row()
    chosen = [defence for defence in defences() if not wanted or defence.row in wanted]
    numbers = sorted({*(wanted or tests), *(defence.row for defence in chosen)})
    good = True
    with tempfile.TemporaryDirectory(prefix="hub-snapshot-") as name, ThreadPoolExecutor(JOBS) as pool:
        snapshot = copy_of(ROOT, Path(name))
        whole = {row: pool.submit(_unchanged, snapshot, tests.get(row, [])) for row in numbers}
        mutants = [(defence, pool.submit(without, defence, snapshot, tests)) for defence in chosen]
        for row in numbers:
            verdict = whole[row].result()
            good &= _print(f"{row:2d}", "as it is", verdict, wanted="green")
        for defence, running in mutants:
            good &= _print(f"{defence.row:2d}", f"without: {defence.without}", running.result(), wanted="red")
    print(f"{len(numbers)} rows, {len(chosen)} mutants: {'all as they should be' if good else 'NOT as they should be'}")
    return 0 if good else 1


def _unchanged(snapshot: Path, node_ids: Sequence[str]) -> Verdict:
    if not node_ids:
        return Verdict("broken", "the row has no test", 0.0)
    with tempfile.TemporaryDirectory(prefix="hub-original-") as name:
        return run(copy_of(snapshot, Path(name)), node_ids, first_failure_only=False)


def _print(row: str, what: str, verdict: Verdict, *, wanted: str) -> bool:
    is_right = verdict.kind == wanted
    shown = verdict.kind if is_right else f"{verdict.kind.upper()}!"
    why = "" if is_right and wanted == "green" else f"  ({verdict.why})"
    print(f"{row}  {shown:8} {verdict.seconds:5.1f} s  {what}{why}", flush=True)
    return is_right


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.security.mutate", description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, metavar="ROW", help="rows of the table; all, if none is given")
    sys.exit(main(parser.parse_args().rows))
