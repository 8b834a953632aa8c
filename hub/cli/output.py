"""Where results go: text for people (Rich, plain when piped) or JSON for programs, on stdout; nothing else does."""

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNFOLDED = 4096


def console() -> Console:
    """A console on stdout that never colours numbers of its own accord, nor folds lines for a program."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else UNFOLDED)


def print_json(value: object, *, lines: bool = False) -> None:
    """One JSON value: indented, or on a line of its own."""
    option = 0 if lines else orjson.OPT_INDENT_2
    sys.stdout.write(orjson.dumps(value, option=option).decode() + "\n")
    sys.stdout.flush()


def note(said: str) -> None:
    """A remark beside the result: stderr."""
    print(f"hub: {said}", file=sys.stderr, flush=True)


def rows(columns: Iterable[str], found: Iterable[Iterable[str]]) -> Table:
    """A light table without frames."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in found:
        table.add_row(*(Text(cell) for cell in row))
    return table


def facts(pairs: Mapping[str, object]) -> Table:
    """Names and values, one pair a row; absent values are left out."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        if value is not None:
            table.add_row(name.replace("_", " "), Text(moment(value) if name.endswith("_at") else str(value)))
    return table


def moment(value: object) -> str:
    """An RFC 3339 time as local people read it; anything else as it is."""
    try:
        return datetime.fromisoformat(str(value)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return str(value)


def clock(value: object) -> str:
    """The time of day of an RFC 3339 time, local, with milliseconds."""
    try:
        at = datetime.fromisoformat(str(value)).astimezone()
    except ValueError:
        at = datetime.now(UTC).astimezone()
    return at.strftime("%H:%M:%S.%f")[:-3]
