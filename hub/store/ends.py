"""Ending sessions: one script for every way to end, then the closing entries of their histories.

The end itself is one atomic act. The closing entry is written right after; nobody else can write by then,
so any node may do it, and whoever finds it missing does. Whoever does also writes down, outside the store, where
the history ended: a history made anew by somebody who has every key has another end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from hub.core import heads
from hub.core.chain import position_at
from hub.core.change import encode_entry
from hub.core.ports import Ended
from hub.core.session import EndReason, Session, user_tag
from hub.core.times import rfc3339
from hub.errors import Maintenance, Unavailable
from hub.store import keys, records
from hub.store.durability import judge_copies
from hub.store.recent_ends import RecentEnds
from hub.store.scripts import Scripts, UnfitHistory
from hub.store.sessions import Records
from hub.telemetry import metrics
from hub.telemetry.security import SecurityEvent, note

AGAIN_AT_MOST = 16

audit_log = logging.getLogger("hub.audit")


class Ends:
    """The ends of sessions."""

    def __init__(self, sessions: Records) -> None:
        self._sessions = sessions
        self._recent = RecentEnds()

    async def end(self, sids: Sequence[str], reason: EndReason, *, detail: str, actor: str, request_id: str) -> Ended:
        """End the sessions named; those that are over already stay as they are."""
        if not sids:
            return Ended(0)
        found, said = await self._read(sids), (detail, actor, request_id)
        return await self._run(user_tag(sids[0]), found, reason, "named", "", said) or Ended(0)

    async def end_user(
        self,
        tag: str,
        reason: EndReason,
        *,
        spared: str | None,
        detail: str,
        actor: str,
        request_id: str,
    ) -> Ended:
        """End all live sessions of a user in one act; log-ins that have begun open nothing any more."""
        for _ in range(AGAIN_AT_MOST):
            sids = [sid for sid in await self.sids_of(tag) if sid != spared]
            found, said = await self._read(sids), (detail, actor, request_id)
            ended = await self._run(tag, found, reason, "all", spared or "", said)
            if ended is not None:
                return ended
        raise Maintenance("Sessions are being opened faster than they can be ended")

    async def end_if_due(self, session: Session) -> Session:
        """End a session whose deadline has passed; the session as it is afterwards."""
        reason = session.due(self._sessions.clock.now_ms(session.sid))
        if session.ending is None and reason is not None:
            tag = user_tag(session.sid)
            await self._run(tag, {session.sid: session}, reason, "due", "", ("", "hub", ""))
            session = await self._sessions.read_raw(session.sid) or session
        if session.ending is not None and not session.is_closed:
            await self._close(session)
        return session

    async def sids_of(self, tag: str) -> list[str]:
        """The user's live sids, oldest first."""
        found = await self._sessions.calls.call("ZRANGE", keys.live_sids(tag), 0, -1)
        return [sid.decode() for sid in found]

    async def _read(self, sids: Sequence[str]) -> dict[str, Session | None]:
        found = await asyncio.gather(*(self._sessions.read_raw(sid) for sid in sids))
        return dict(zip(sids, found, strict=True))

    async def _run(
        self,
        tag: str,
        targets: Mapping[str, Session | None],
        reason: EndReason,
        which: Literal["named", "all", "due"],
        spared: str,
        said: tuple[str, str, str],
    ) -> Ended | None:
        key_names = [keys.live_sids(tag), keys.not_before(tag), keys.channel(tag)]
        args: list[str | bytes] = [reason, which, spared]
        for sid, session in targets.items():
            key_names += [keys.record(sid), keys.presence(sid)]
            # A record that does not open cannot seal an ending; it is ended all the same, and stays unused.
            sealed = records.seal_ending(sid, reason, *said, session.data_key) if session else b""
            args += [sid, sealed]
        scripts, calls = self._sessions.scripts, self._sessions.calls
        replicas = calls.of(key_names[0]).replicas
        if which == "due":  # the clock says so: every other copy of the store finds out by itself
            reply, copies = await scripts.run("end", key_names, args), replicas
        else:
            reply, copies = await scripts.run_to_all("end", key_names, args)
            replicas = max(replicas, calls.of(key_names[0]).replicas)  # its slot may have moved meanwhile
        if reply[0] == b"again":
            return None
        self._sessions.clock.heard(tag, int(reply[0]))
        if which != "due":
            self._recent.keep(key_names, reason, int(reply[0]) if which == "all" else 0, args[3:])
        if int(reply[1]):
            await self._after(list(targets))
        return Ended(int(reply[1]), judge_copies(copies, replicas))

    async def end_again(self, scripts: Scripts, are_there: Callable[[str], bool]) -> None:
        """The ends of the last minutes once more, where a shard may have lost some: what has ended stays ended, and
        what was opened since is left alone. ``are_there`` says whose sessions the shard has, by user tag."""
        again = [each for each in self._recent.calls() if are_there(keys.tag_of_channel(each[0][2]))]
        await asyncio.gather(*(scripts.run("end", *each) for each in again))

    async def _after(self, sids: Sequence[str]) -> None:
        """Closing entries and listings; what fails here is completed by whoever meets it."""
        try:
            over = await asyncio.gather(*(self._sessions.read_raw(sid) for sid in sids))
            await asyncio.gather(*(self._close(session) for session in over if session is not None))
        except Unavailable:
            return

    async def _close(self, session: Session) -> None:
        if session.ending is None or session.is_closed:
            return
        sid, ending, revision = session.sid, session.ending, session.position.revision + 1
        entry = encode_entry(
            kind="end",
            base=session.position,
            revision=revision,
            ops=[],
            actor=ending.actor,
            at=rfc3339(ending.at_ms),
            request_id=ending.request_id,
            reason=ending.reason,
        )
        chain = self._sessions.chain.extend(session.chain, entry)
        position = position_at(revision, chain)
        sealed = records.seal_entry(sid, position, entry, session.data_key)
        try:
            closed_now = await self._sessions.scripts.append(
                "close",
                [keys.record(sid), keys.history(sid)],
                [str(session.position), str(position), chain, sealed, revision],
            )
        except UnfitHistory:  # it is over all the same
            note(SecurityEvent.SESSION_QUARANTINED, sid=sid, why="its history is not where it ended")
            closed_now = 0
        if closed_now:  # one node only gets there, whoever of them ended it
            metrics.SESSIONS_ENDED.add(ending.reason)
            note(SecurityEvent.SESSION_EXPIRED, sid=sid, why=ending.reason)
            audit_log.info(heads.EVENT, extra=heads.to_facts(session, position, chain))
        await self._sessions.unlist(sid)
