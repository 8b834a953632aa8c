"""``hub audit export``: all histories, as JSON lines that outlive the store.

One entry a line, verbatim, session after session. An archive that is there already is continued: each session goes on
after its last line, a line that was torn is written again, and no entry comes twice. What the store no longer has, or
tells differently than the archive, is said and makes the exit code 1; the rest is written all the same.
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import orjson
import typer

from hub.cli import CommandError
from hub.cli.audit import with_progress, with_store
from hub.cli.audit_lines import Bound, Unreadable, to_line
from hub.cli.output import note
from hub.core.session import is_sid
from hub.settings import Settings
from hub.store.audit.reading import Found, Reader

BEGINNING = b'{"sid":"'


@dataclass(frozen=True, slots=True)
class Exporting:
    """What ``hub audit export`` was asked for."""

    output: Path | None
    since: str | None
    config: Path | None


@dataclass
class Archive:
    """Where lines go, and where each session in it stands: its last revision and position."""

    file: IO[bytes]
    stands: dict[str, tuple[int, str]] = field(default_factory=dict)
    written: int = 0
    problems: int = 0

    def complain(self, sid: str, why: str) -> None:
        """Something is not as it should be with a session."""
        self.problems += 1
        note(f"{sid}: {why}")


def export(asked: Exporting) -> None:
    """Write the archive, or go on with it."""
    since = Bound(asked.since) if asked.since else None
    if since is not None and not since.at:
        raise typer.BadParameter("--since takes a time here")

    async def job(reader: Reader, _: Settings) -> Archive:
        with _archive(asked.output) as archive:
            sids = await reader.sids()
            for sid in with_progress(sids, "exporting", is_shown=asked.output is not None):
                await _session(reader, archive, sid, since)
            archive.file.flush()
        return archive

    archive = with_store(asked.config, job)
    if asked.output is not None:
        note(f"{archive.written} entries added to {asked.output}")
    if archive.problems:
        raise typer.Exit(1)


async def _session(reader: Reader, archive: Archive, sid: str, since: Bound | None) -> None:
    found = await reader.record(sid)
    if found is None or found.data_key is None or found.position is None:
        archive.complain(sid, "skipped: " + (found.why or "its record is damaged" if found else "its record is gone"))
        return
    after, stood = archive.stands.get(sid, (0, ""))
    if after > found.position.revision:
        archive.complain(sid, f"the archive has it at {stood}, and it stands at {found.position}: history was cut off")
        return
    await _entries(reader, archive, found, since)


async def _entries(reader: Reader, archive: Archive, found: Found, since: Bound | None) -> None:
    """The new entries of one session; the last one that the archive has is read too, to see that it is the same."""
    sid, position = found.sid, found.position
    after, stood = archive.stands.get(sid, (0, ""))
    assert position is not None
    async for stored in reader.entries(found, after=max(0, after - 1), until=position.revision):
        try:
            line = to_line(found, stored)
        except Unreadable as error:
            archive.complain(sid, f"revision {stored.revision} does not fit, and nothing after it is written: {error}")
            return
        if stored.revision == after:
            if line["position"] != stood:
                archive.complain(sid, f"the archive has {stood}, the store has {line['position']}: it was rewritten")
                return
            continue
        if after and stood and stored.revision == after + 1 and line.get("base") != stood:
            archive.complain(sid, f"revision {stored.revision} does not continue {stood}: history was rewritten")
            return
        if after and stored.revision > after + 1:
            archive.complain(sid, f"revisions {after + 1} to {stored.revision - 1} were gone before they were written")
        after, stood = stored.revision, line["position"]
        if since is None or since.is_before(line):
            archive.file.write(orjson.dumps(line) + b"\n")
            archive.written += 1


@contextmanager
def _archive(output: Path | None) -> Iterator[Archive]:
    if output is None:
        yield Archive(sys.stdout.buffer)
        return
    descriptor = os.open(output, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"{output}: another export is writing to it") from None
        archive = Archive(file)
        _continue(archive, output)
        try:
            yield archive
        finally:
            file.flush()
            os.fsync(file.fileno())


def _continue(archive: Archive, output: Path) -> None:
    """Read where each session stands, and cut off a last line that was torn."""
    whole = 0
    for number, line in enumerate(archive.file, 1):
        try:
            said = orjson.loads(line)
            sid, revision, position = said["sid"], said["revision"], said["position"]
            is_ours = is_sid(sid) and isinstance(revision, int) and isinstance(position, str)
        except (ValueError, KeyError, TypeError):
            is_ours = False
        if not line.endswith(b"\n") and line[: len(BEGINNING)] == BEGINNING[: len(line)]:
            break
        if not is_ours:
            raise CommandError(f"{output}: line {number} is no exported entry; it is left as it is")
        archive.stands[sid] = (revision, position)
        whole += len(line)
    archive.file.seek(whole)
    archive.file.truncate()
