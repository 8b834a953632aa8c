"""The table of threats as it is written down here: tests by row, and the defences whose absence they notice.

Read from the sources, without importing a test. A row is a number; its tests are the functions ``test_<NN>_…`` of this
folder, its defences the entries of ``defences/*.toml`` (see ``README.md``).
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ROWS = range(1, 75)
_TEST = re.compile(r"test_(\d{2})_")
_KEYS = {"row", "without", "file", "find", "put", "test"}


@dataclass(frozen=True, slots=True)
class Defence:
    """One thing that protects, and how to take it away: ``find``, once in ``file``, becomes ``put``."""

    source: str
    row: int
    without: str
    file: str
    find: str
    put: str
    test: str | None = None

    def problem(self, root: Path) -> str | None:
        """Why this entry cannot be used on the sources under ``root``, or ``None``."""
        path = root / self.file
        if not path.is_file():
            return f"there is no {self.file}"
        count = path.read_text().count(self.find)
        if count != 1:
            return f"`find` is {count} times in {self.file}, not once"
        return "`put` changes nothing" if self.find == self.put else None


def by_row(folder: Path = HERE) -> dict[int, list[str]]:
    """The tests of each row, as pytest names them from the root of the checkout."""
    found: dict[int, list[str]] = {}
    for file in sorted(folder.glob("test_*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (match := _TEST.match(node.name)):
                found.setdefault(int(match[1]), []).append(f"tests/security/{file.name}::{node.name}")
    return found


def defences(folder: Path = HERE / "defences") -> list[Defence]:
    """All entries, by row. Raises ``ValueError`` for a file that does not say what it has to."""
    return sorted((entry for file in sorted(folder.glob("*.toml")) for entry in _entries(file)), key=lambda it: it.row)


def _entries(file: Path) -> Iterator[Defence]:
    try:
        said = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file.name}: {error}") from None
    for number, entry in enumerate(said.get("defence", []), 1):
        if unknown := entry.keys() - _KEYS:
            raise ValueError(f"{file.name}, entry {number}: unknown keys {', '.join(sorted(unknown))}")
        if missing := _KEYS - {"test"} - entry.keys():
            raise ValueError(f"{file.name}, entry {number}: without {', '.join(sorted(missing))}")
        yield Defence(source=file.name, **entry)
