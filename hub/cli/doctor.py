"""``hub doctor``: everything a node needs, looked at from the machine it is to run on, one line a thing.

It starts no node and changes nothing that lasts. Exit code 0 where a hub can run (warnings included), 1 where something
it needs is missing or wrong, 2 where the configuration cannot be read. No line ever shows a secret.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from hub.app import check
from hub.cli.doctor_around import look_around
from hub.cli.doctor_here import look_here
from hub.cli.output import console, note, print_json
from hub.cli.store_at import tls_of
from hub.core.finding import Finding, State, worst
from hub.errors import ConfigurationError
from hub.settings import Settings, config_path, load_settings
from hub.store.examining import examine
from hub.store.visiting import visited

COLOURS: dict[State, str] = {"ok": "green", "warn": "yellow", "failed": "bold red"}


def doctor(config: Path | None, as_json: bool) -> None:
    """Look at everything, print it, and exit with 1 if anything failed."""
    path = config_path(config, os.environ)
    settings = load_settings(path, os.environ)
    check(settings)
    found = [_configured(settings, path), *look_here(settings, os.environ)]
    try:
        with _store_of(settings) as url:
            found += asyncio.run(_ask_others(settings, url))
    except ConfigurationError as error:  # of an embedded store that does not start
        found.append(Finding("store", "failed", str(error), "see store.log in its folder"))
    state = worst([finding.state for finding in found])
    if as_json:
        print_json({"state": state, "checks": [_facts(finding) for finding in found]})
    else:
        console().print(_table(found))
        counts = {kind: sum(finding.state == kind for finding in found) for kind in COLOURS}
        note(", ".join(f"{count} {kind}" for kind, count in counts.items() if count))
    if state == "failed":
        raise typer.Exit(1)


async def _ask_others(settings: Settings, url: str | None) -> list[Finding]:
    around = asyncio.create_task(look_around(settings))
    store = await examine(url, tls_of(settings), settings.durability) if url else [_to_be_made(settings)]
    return store + await around


@contextmanager
def _store_of(settings: Settings) -> Iterator[str | None]:
    """Its URL; ``None`` for an embedded store that no hub has made yet."""
    if settings.store_url != "embedded":
        yield settings.store_url
    elif not (settings.data_dir / "store").is_dir():
        yield None
    else:
        with visited(settings.data_dir) as url:
            yield url


def _to_be_made(settings: Settings) -> Finding:
    return Finding("store", "ok", f"embedded; the first hub that starts makes it in {settings.data_dir}")


def _configured(settings: Settings, path: Path | None) -> Finding:
    said = f"{path or 'no file, defaults and HUB_*'}: valid"
    if settings.identity_providers:
        return Finding("configuration", "ok", said)
    said += ", but no identity provider: nobody can log in"
    return Finding("configuration", "warn", said, "add [identity_providers.NAME]")


def _facts(finding: Finding) -> dict[str, str | None]:
    return {
        "check": finding.name,
        "state": finding.state,
        "found": finding.said,
        "to_do": finding.to_do or None,
    }


def _table(found: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for column in ("state", "check", "found"):
        table.add_column(column, overflow="fold", no_wrap=column != "found")
    for finding in found:
        said = Text(finding.said)
        if finding.to_do:
            said.append(f" → {finding.to_do}", style="bold" if finding.state == "failed" else "")
        table.add_row(Text(finding.state, style=COLOURS[finding.state]), Text(finding.name), said)
    return table
