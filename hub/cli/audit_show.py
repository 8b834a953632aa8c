"""``hub audit show``: one history, oldest first; live or over."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from hub.cli import CommandError
from hub.cli.audit import check_sid, with_store
from hub.cli.audit_lines import Bound, Unreadable, to_line, to_row, tokens_of, touching, without_secrets
from hub.cli.output import console, note, print_json, rows
from hub.core.json import Object
from hub.settings import Settings
from hub.store.audit.reading import Found, Reader

COLUMNS = ("revision", "time", "actor", "what", "request")


@dataclass(frozen=True, slots=True)
class Showing:
    """What ``hub audit show`` was asked for."""

    sid: str
    since: str | None
    until: str | None
    path: str | None
    config: Path | None
    as_json: bool


def show(asked: Showing) -> None:
    """Print it; exit code 1 if a part of it does not open."""
    check_sid(asked.sid)
    since, until = (Bound(text) if text else None for text in (asked.since, asked.until))
    tokens = None if asked.path is None else tokens_of(asked.path)

    async def job(reader: Reader, _: Settings) -> bool:
        found = await reader.record(asked.sid)
        if found is None or found.data_key is None:
            why = "its record is gone" if found is None else found.why
            first = await reader.first_revision(asked.sid)
            raise CommandError(f"{asked.sid}: {why if found or first else 'there is no such session'}")
        table = rows(COLUMNS, ())
        all_open = True
        async for line, ops in _wanted(reader, found, since, until, tokens):
            if "why" in line:
                note(f"revision {line['revision']} cannot be shown: {line['why']}")
                all_open = False
            elif asked.as_json:
                print_json(line if tokens is None else line | {"ops": ops}, lines=True)
            else:
                table.add_row(*to_row(line, ops))
        if not asked.as_json:
            console().print(table if table.row_count else "nothing of it lies there", markup=False)
        return all_open

    if not with_store(asked.config, job):
        raise typer.Exit(1)


async def _wanted(
    reader: Reader, found: Found, since: Bound | None, until: Bound | None, tokens: Sequence[str] | None
) -> AsyncIterator[tuple[Object, Sequence[Object]]]:
    """The lines asked for, each with its ops as seen from the path."""
    is_first = True
    async for stored in reader.entries(found):
        try:
            line = without_secrets(to_line(found, stored))
        except Unreadable as error:
            yield {"revision": stored.revision, "why": str(error)}, ()
            continue
        if line["kind"] == "end" and found.session and found.session.ending:
            line["detail"] = without_secrets(found.session.ending.detail)
        for bound in (since, until):
            if bound is not None and bound.is_elsewhere(line):
                raise CommandError(f"{bound.position} is no position of this session: it has {line['position']}")
        ops = line["ops"] if tokens is None else touching(line, tokens, is_first=is_first)
        is_first = False
        is_between = (since is None or since.is_before(line)) and (until is None or until.is_at_or_after(line))
        if is_between and (tokens is None or ops):
            yield line, ops
