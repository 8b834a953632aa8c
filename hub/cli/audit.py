"""``hub audit verify``: whether histories can be believed. And how all of ``hub audit`` gets at the store.

The commands read the store directly, with the node's configuration and key ring; a running hub is not asked and not
disturbed. They write nothing into the store.
"""

import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from hub.cli import CommandError
from hub.cli.output import moment, note, print_json
from hub.cli.store_at import on_store
from hub.core.heads import Head, read
from hub.core.session import is_sid
from hub.core.trail import Verdict
from hub.settings import Settings, config_path, load_settings
from hub.store.audit.reading import Reader
from hub.store.audit.verifying import Verifier
from hub.store.connecting import StoreTls
from hub.store.keyring import KeyRing

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Verifying:
    """What ``hub audit verify`` was asked for."""

    sid: str | None
    all: bool
    heads: list[str]
    config: Path | None
    as_json: bool


def with_store(config: Path | None, job: Callable[[Reader, Settings], Awaitable[Result]]) -> Result:
    """Run ``job`` on the store of the node that has this configuration."""
    settings = load_settings(config_path(config, os.environ), os.environ)

    async def run(url: str, tls: StoreTls) -> Result:
        async with Reader(url, KeyRing.load(settings.key_ring_file), tls) as reader:
            return await job(reader, settings)

    return on_store(settings, run, cannot_be="read")


def check_sid(sid: str) -> str:
    """The sid, if it has the form of one."""
    if not is_sid(sid):
        raise typer.BadParameter(f"{sid[:64]!r} is no session's public id")
    return sid


def verify(asked: Verifying) -> None:
    """Print one line a session; exit code 1 if anything does not fit."""
    if (asked.sid is not None and asked.all) or not (asked.sid is not None or asked.all or asked.heads):
        raise typer.BadParameter("name a session, or --all, or --heads with the log to compare")
    heads = _read_heads(asked.heads)
    if asked.sid is not None:
        check_sid(asked.sid)

    async def job(reader: Reader, settings: Settings) -> int:
        session = settings.session
        verifier = Verifier(
            reader, history_changes=session.history_changes, retention_ms=round(session.audit_retention * 1000)
        )
        sids = [asked.sid] if asked.sid else sorted({*heads, *(await reader.sids() if asked.all else ())})
        bad = 0
        for sid in with_progress(sids, "verifying", is_shown=asked.sid is None):
            verdict = await verifier.verify(sid, heads.get(sid, ()))
            bad += verdict.finding is not None
            _print(verdict, heads.get(sid, []) if asked.heads else None, asked.as_json)
        if asked.sid is None:
            note(f"sessions: {len(sids)}, " + (f"{bad} do not fit" if bad else "all fit"))
        return bad

    if with_store(asked.config, job):
        raise typer.Exit(1)


def _read_heads(files: Iterable[str]) -> dict[str, list[Head]]:
    found: dict[str, list[Head]] = {}
    names = list(files)
    for name in names:
        with _open(name) as lines:
            for line in lines:
                head = read(line)
                if head is not None and head not in found.setdefault(head.sid, []):
                    found[head.sid].append(head)
    if names and not found:
        raise CommandError(f"{', '.join(names)}: no line tells of the end of a session")
    return found


@contextmanager
def _open(name: str) -> Iterator[IO[bytes]]:
    if name == "-":
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        yield file


def with_progress(sids: list[str], doing: str, *, is_shown: bool) -> Iterator[str]:
    """The sids, with a progress bar on a terminal."""
    if not is_shown or not sys.stderr.isatty():
        yield from sids
        return
    is_one = sys.stdout.isatty()  # else lines of output would be drawn on the terminal instead of where they belong
    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=is_one) as progress:
        yield from progress.track(sids, description=doing)


def _print(verdict: Verdict, heads: list[Head] | None, as_json: bool) -> None:
    if as_json:
        print_json(_to_json(verdict, heads), lines=True)
        return
    finding = verdict.finding
    if finding is not None:
        where = "" if finding.revision is None else f"revision {finding.revision}: "
        print(f"BAD  {verdict.sid}  {where}{finding.why}")
    elif verdict.state == "retired":
        print(f"ok   {verdict.sid}  kept as long as it had to be, and gone")
    else:
        state = {"closing": "ended, closing pending"}.get(verdict.state, verdict.state)
        span = f"{moment(verdict.first_at)} – {moment(verdict.last_at)}"
        told = "" if heads is None or verdict.state == "live" else ", as the log says" if heads else ", not in the log"
        print(f"ok   {verdict.sid}  {state} at {verdict.position}, {verdict.entries} entries, {span}{told}")


def _to_json(verdict: Verdict, heads: list[Head] | None) -> dict[str, object]:
    finding = verdict.finding
    return {
        "sid": verdict.sid,
        "ok": finding is None,
        "state": verdict.state,
        "position": str(verdict.position) if verdict.position else None,
        "chain": verdict.chain.hex() or None,
        "entries": verdict.entries,
        "first_revision": verdict.first_revision,
        "first_at": verdict.first_at,
        "last_at": verdict.last_at,
        "heads": len(heads or ()),
        "finding": finding and {"fault": finding.fault, "revision": finding.revision, "why": finding.why},
    }
