"""Reveals: an operator is shown real values, and history says so first.

A reveal is a revision that changes nothing. It goes the way of every commit, so what is shown is what stood there when
it was written down; what could not be written down is not shown. Copies of the session hear of an empty change.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from hub.core.json import Object
from hub.core.limits import CONTENTION_SECONDS
from hub.core.masking import without_tokens
from hub.core.ports import Conflict, Done, Missing
from hub.core.position import Position
from hub.core.principal import Principal
from hub.core.session import Session, is_sid
from hub.errors import Compacted, Contention
from hub.sessions import verdicts
from hub.sessions.commit import LONGEST_PAUSE_SECONDS, Commits
from hub.sessions.sections import Sections
from hub.telemetry.security import SecurityEvent, note


@dataclass(frozen=True, slots=True)
class Look:
    """What an operator wants to see, and why: these sections or all, as they are or as they were at a position."""

    reason: str
    request_id: str
    sections: Sequence[str] | None = None
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Revealed:
    """Real values (credentials excepted), and the position at which they stand."""

    position: Position
    document: Object


class Reveals:
    """Carries out reveals."""

    def __init__(self, commits: Commits, sections: Sections) -> None:
        self._commits, self._store = commits, commits.store
        self._sections = sections

    async def reveal(self, operator: Principal, sid: str, look: Look) -> Revealed:
        """Record and show. Raises ``UnknownSection``, ``SessionNotFound``, ``SessionEnded``, ``Compacted``,
        ``Contention``, and what the store raises."""
        self._sections.check_known(look.sections or ())
        sid = verdicts.addressed(operator, sid)
        if not is_sid(sid):
            raise verdicts.missing(operator)
        async with self._commits.queues.turn(sid):
            deadline = asyncio.get_running_loop().time() + CONTENTION_SECONDS
            session = await self._store.read(sid)
            while True:
                if session is None:
                    raise verdicts.missing(operator)
                if session.ending is not None:
                    raise verdicts.over(operator, session)
                outcome = await self._try(operator, session, look)
                if isinstance(outcome, Revealed):
                    return outcome
                session = outcome
                if asyncio.get_running_loop().time() > deadline:
                    raise Contention(retry_after_seconds=1)

    async def _try(self, operator: Principal, session: Session, look: Look) -> Revealed | Session | None:
        """Shown, or the session as it is by now, for another try."""
        document = await self._document(session, look)
        at = look.position or session.position
        revealed: Object = {"position": str(at)}
        if look.sections is not None:
            revealed["sections"] = list(look.sections)
        said = {"request_id": look.request_id, "reason": look.reason, "revealed": revealed}
        revision = self._commits.entry(operator, session, session.document, kind="reveal", ops=[], **said)
        match await self._store.commit(session, revision, None):
            case Done():
                why = f"for a reason of {len(look.reason)} characters"
                note(SecurityEvent.AUTHZ_ADMIN, sid=session.sid, purpose="reveal", why=why, actor=operator.actor)
                return Revealed(look.position or revision.position, document)
            case Conflict(newer):
                await asyncio.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))  # noqa: S311 - spreads, hides nothing
                return newer
            case Missing(is_unfit=True):
                raise verdicts.missing(operator)
            case _:
                return await self._store.read(session.sid)

    async def _document(self, session: Session, look: Look) -> Object:
        document: Object | None = session.document
        if look.position is not None:
            document = await self._store.document_at(session, look.position)
        if document is None:
            raise Compacted(f"{look.position} is not in this history", current=str(session.position))
        shown = document if look.sections is None else {n: document[n] for n in look.sections if n in document}
        clean: Object = without_tokens(shown)
        return clean
