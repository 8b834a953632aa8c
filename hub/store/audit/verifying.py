"""Whether a session's history, its record and what the log said of its end all fit together.

A record is read first and its history up to where it stands, so commits under way are no false alarm; nor are entries
that a commit trims away meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.core.heads import Head, compare
from hub.core.limits import CHECKPOINT_EVERY
from hub.core.trail import Finding, State, Trail, Verdict, check_record, oldest_kept
from hub.store.audit.reading import Found, Reader, Stored

MOST_RESTARTS = 20


class _Overtaken(Exception):
    """A commit trimmed away what was about to be read: begin again."""


class Verifier:
    """Verifies sessions, given what the configuration says of how much is kept and for how long."""

    def __init__(self, reader: Reader, *, history_changes: int, retention_ms: int) -> None:
        self._reader, self._history_changes, self._retention_ms = reader, history_changes, retention_ms

    async def verify(self, sid: str, heads: Sequence[Head] = ()) -> Verdict:
        """Walk the whole history; the first thing that does not fit, if any, is in the verdict."""
        found = await self._reader.record(sid)
        trail = Trail(sid, self._reader.chains)
        for _ in range(MOST_RESTARTS):
            try:
                finding = await self._check(trail, found) if found else await self._without_record(sid)
                break
            except _Overtaken:
                found, trail = await self._reader.record(sid), Trail(sid, self._reader.chains)
        else:
            finding = Finding("missing", trail.revision + 1, "it is trimmed away faster than it can be read")
        verdict = Verdict.of(trail, sid, _state(found), finding)
        return compare(verdict, heads, await self._reader.now_ms(), self._retention_ms)

    async def _without_record(self, sid: str) -> Finding:
        first = await self._reader.first_revision(sid)
        if first is None:
            return Finding("not_found", None, "there is no such session, or nothing of it is kept any more")
        return Finding("record_gone", first, "its history is there, and its record is gone")

    async def _check(self, trail: Trail, found: Found) -> Finding | None:
        if found.data_key is None:
            return Finding("sealed", None, found.why)
        until = found.position.revision if found.position else None
        async for stored in self._reader.entries(found, until=until):
            finding = await self._gap(trail, found, stored) or stored.finding
            finding = finding or trail.step(stored.revision, stored.chain, stored.plain)
            if finding is not None:
                return finding
        return await self._check_tail(trail, found) or _check_record(trail, found) or await self._beyond(trail, found)

    async def _gap(self, trail: Trail, found: Found, stored: Stored) -> Finding | None:
        """Whether revisions are missing before an entry. Those that were trimmed are not missing."""
        revision = stored.revision
        if revision <= trail.revision + 1:
            return None
        line = await self._trim_line(found.sid)
        if trail.last is not None:
            if revision <= line and (await self._reader.first_revision(found.sid) or 0) >= revision:
                raise _Overtaken
            return Finding("missing", trail.revision + 1, f"after revision {trail.revision} comes revision {revision}")
        if revision <= line and stored.is_checkpoint:
            return None
        first = line if revision > line else revision // CHECKPOINT_EVERY * CHECKPOINT_EVERY
        return Finding("missing", max(1, first), f"history begins at revision {revision}: it was cut off before that")

    async def _check_tail(self, trail: Trail, found: Found) -> Finding | None:
        if found.position is None:
            return Finding("record", None, "the record does not say where the session stands")
        if trail.revision >= found.position.revision:
            return None
        now = await self._reader.record(found.sid)
        if now is None or now.position != found.position:
            raise _Overtaken
        if trail.last is None:
            first = max(1, await self._trim_line(found.sid))
            if await self._reader.first_revision(found.sid) is None:
                return Finding("history_gone", first, "the whole history is gone")
            return Finding("missing", first, f"nothing is left of the history up to {found.position}")
        said = f"history stops at revision {trail.revision}, and the record stands at {found.position}"
        return Finding("missing", trail.revision + 1, said)

    async def _beyond(self, trail: Trail, found: Found) -> Finding | None:
        """Entries past the position of the record, unless it has moved on too."""
        async for stored in self._reader.entries(found, after=trail.revision):
            now = await self._reader.record(found.sid)
            if now is None or now.position != found.position:
                return None
            if trail.last is not None and trail.last.kind == "end":
                return Finding("after_end", stored.revision, "it comes after the end of the session")
            return Finding("record", stored.revision, f"history goes on past {found.position}, where the record stands")
        return None

    async def _trim_line(self, sid: str) -> int:
        """The oldest revision that the last checkpoint, as far as it is known by now, has kept."""
        found = await self._reader.record(sid)
        if found is None or found.position is None:
            return 0
        is_closed = found.session is not None and found.session.is_closed
        return oldest_kept(found.position.revision - is_closed, self._history_changes)


def _check_record(trail: Trail, found: Found) -> Finding | None:
    if found.session is None:
        return Finding("record", trail.revision, f"the record cannot be trusted: {found.why}")
    return check_record(trail, found.session, found.now_ms)


def _state(found: Found | None) -> State:
    if found is None or found.session is None:
        return "unknown"
    if found.session.ending is None:
        return "live"
    return "ended" if found.session.is_closed else "closing"
