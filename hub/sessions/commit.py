"""Commits: an intent becomes a revision, or a refusal that rests on what the store said.

The order of checks is part of the contract: sections known, grants, idempotency key, alive, position,
patch, schema and limits, write. A lost race applies the patch again to the newer document.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from dataclasses import dataclass, replace
from typing import Any

from hub.core.access import not_readable, not_writable
from hub.core.chain import Chain, position_at
from hub.core.change import encode_entry
from hub.core.document import Op, apply, sections_of
from hub.core.json import Object
from hub.core.limits import CHECKPOINT_EVERY, CONTENTION_SECONDS, MAX_CHANGES
from hub.core.patch import Patch
from hub.core.ports import (
    Conflict,
    Done,
    IdempotencyKey,
    Missing,
    Over,
    Remembered,
    Revision,
    SessionStore,
)
from hub.core.position import Position
from hub.core.principal import Principal
from hub.core.session import Session
from hub.core.times import rfc3339
from hub.core.trail import oldest_kept
from hub.errors import Contention, Forbidden, HubError, IdempotencyMismatch, PositionMismatch, Unavailable
from hub.sessions import verdicts
from hub.sessions.guesses import Guesses, Queues
from hub.sessions.sections import Sections
from hub.telemetry import metrics

LONGEST_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Intent:
    """One request to commit. ``body`` is what an idempotency key stands for."""

    patch: Patch
    body: bytes
    request_id: str
    if_position: Position | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """The answer. ``ops`` and ``document`` are what the caller may see of them."""

    base: Position
    position: Position
    changed: bool
    ops: list[Op] | None
    document: Object | None = None
    replayed: bool = False

    @property
    def outcome(self) -> str:
        """As metrics know it."""
        return "replayed" if self.replayed else "committed" if self.changed else "unchanged"


class Commits:
    """Carries out commits."""

    def __init__(self, store: SessionStore, chain: Chain, sections: Sections, history_changes: int) -> None:
        self.store, self._chain, self._sections = store, chain, sections
        self._history_changes = history_changes
        self.guesses, self.queues = Guesses(), Queues()

    async def commit(self, principal: Principal, sid: str, intent: Intent) -> Committed:
        """Commit ``intent`` to a session. Raises what the contract of ``PATCH`` says."""
        patch = intent.patch
        self._sections.check_known(patch.names)
        refused = sorted({*not_writable(principal.grants, patch.writes), *not_readable(principal.grants, patch.reads)})
        if refused:
            raise Forbidden("These sections are not granted", sections=refused)
        async with self.queues.turn(sid):
            attempt = _Attempt(self, principal, sid, intent)
            return await attempt.run()

    def revise(self, principal: Principal, session: Session, intent: Intent) -> _Draft:
        """Work out the next revision of ``session``, if it differs. Raises refusals."""
        view = principal.view
        seen = view.of_document(session.document)
        ops = intent.patch.ops_for(seen, self._sections.max_document_bytes)
        if refused := not_writable(principal.grants, sections_of(ops)):
            raise Forbidden("These sections are not granted", sections=refused)
        if not ops:
            return _Draft(ops, session.document, 0)
        document = apply(session.document, ops)
        return _Draft(ops, document, self._sections.check(document, sections_of(ops)))

    def revision(self, principal: Principal, session: Session, intent: Intent, draft: _Draft) -> Revision:
        """The history entry and position of a draft."""
        said = {"request_id": intent.request_id, "commit": intent.key}
        return self.entry(principal, session, draft.document, kind="commit", ops=draft.ops, **said)

    def entry(self, principal: Principal, session: Session, document: Object, **said: Any) -> Revision:
        """The revision after ``session`` that leads to ``document``; ``said`` is what its history entry tells of it."""
        number = session.position.revision + 1
        is_checkpoint = number % CHECKPOINT_EVERY == 0
        entry = encode_entry(
            base=session.position,
            revision=number,
            actor=principal.actor,
            at=rfc3339(self.store.clock.now_ms(session.sid)),
            document=document if is_checkpoint else None,
            before=session.chain if is_checkpoint else b"",
            **said,
        )
        chain = self._chain.extend(session.chain, entry)
        trim_below = oldest_kept(number, self._history_changes) if is_checkpoint else 0
        return Revision(position_at(number, chain), chain, document, entry, trim_below)

    async def changed_since(self, principal: Principal, session: Session, position: Position) -> list[str]:
        """The visible sections that differ, or may differ, from what they were at ``position``."""
        history = await self.store.changes(session, position, MAX_CHANGES)
        visible = principal.view.sections
        if history.why_not is not None or len(history.changes) == MAX_CHANGES:
            return sorted(visible & session.document.keys())
        touched = {name for change in history.changes for name in sections_of(change.ops)}
        return sorted(visible & touched)


@dataclass(frozen=True, slots=True)
class _Draft:
    ops: list[Op]
    document: Object
    document_bytes: int


class _Attempt:
    """One commit on its way. ``settled``: the record at hand was read after the request came."""

    def __init__(self, commits: Commits, principal: Principal, sid: str, intent: Intent) -> None:
        self._commits, self._store = commits, commits.store
        self._principal, self._sid, self._intent = principal, sid, intent
        self._key = _scoped(principal, intent)
        self._session = commits.guesses.get(sid)
        self._settled = False
        own = principal.session
        if own is not None and (self._session is None or own.position.revision >= self._session.position.revision):
            self._session, self._settled = own, self._key is None

    async def run(self) -> Committed:
        deadline = asyncio.get_running_loop().time() + CONTENTION_SECONDS
        while True:
            if self._session is None and (replay := await self._settle()) is not None:
                return replay
            try:
                answer = await self._try()
            except Unavailable:
                raise  # no verdict: the store could not be asked, and trying again might commit twice
            except HubError:
                if self._settled:
                    raise
                answer = await self._settle()
            if answer is not None:
                return answer
            if asyncio.get_running_loop().time() > deadline:
                raise Contention(retry_after_seconds=1)

    async def _settle(self) -> Committed | None:
        """Read the record, and what the key was answered; a replay is an answer."""
        session, remembered = await self._store.read_for_commit(self._sid, self._key)
        self._settled = True
        if remembered is not None:
            return await self._replay(session, remembered)
        if session is None:
            raise verdicts.missing(self._principal)
        self._session = session
        return None

    async def _try(self) -> Committed | None:
        """One try on the record at hand; ``None`` means another."""
        session = self._session
        assert session is not None
        if session.ending is not None:
            raise verdicts.over(self._principal, session)
        await self._check_position(session)
        draft = self._commits.revise(self._principal, session, self._intent)
        if not draft.ops:
            return await self._unchanged(session)
        revision = self._commits.revision(self._principal, session, self._intent, draft)
        outcome = await self._store.commit(session, revision, self._key)
        match outcome:
            case Done():
                return self._done(session, revision, draft)
            case Remembered():
                return await self._replay(session, outcome)
            case Conflict(newer):
                metrics.COMMIT_CONFLICTS.add()
                self._session, self._settled = newer, True
                await asyncio.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))  # noqa: S311 - spreads, hides nothing
                return None
            case Over(ended):
                self._commits.guesses.drop(self._sid)
                self._session, self._settled = await self._store.read(ended.sid), True
                return None
            case Missing(is_unfit=True) if self._settled:
                raise verdicts.missing(self._principal)
            case Missing():
                self._commits.guesses.drop(self._sid)
                self._session, self._settled = None, False
                return None

    async def _check_position(self, session: Session) -> None:
        wanted = self._intent.if_position
        if wanted is None or wanted == session.position:
            return
        changed = []
        if self._settled:
            changed = await self._commits.changed_since(self._principal, session, wanted)
        raise PositionMismatch(
            f"It stands at {session.position}",
            current=str(session.position),
            changed_sections=changed,
        )

    async def _unchanged(self, session: Session) -> Committed | None:
        if not self._settled:
            return await self._settle()
        if self._key is not None:
            await self._store.remember(self._sid, self._key, session.position)
        return self._answer(session.position, session, [], changed=False)

    def _done(self, before: Session, after: Revision, draft: _Draft) -> Committed:
        session = replace(before, position=after.position, chain=after.chain, document=after.document)
        self._commits.guesses.put(session, draft.document_bytes)
        return self._answer(before.position, session, draft.ops, changed=True)

    def _answer(self, base: Position, session: Session, ops: list[Op], *, changed: bool) -> Committed:
        view = self._principal.view
        return Committed(base, session.position, changed, view.of_ops(ops), view.of_document(session.document))

    async def _replay(self, session: Session | None, remembered: Remembered) -> Committed:
        """The first answer again, seen with today's rights."""
        if not remembered.is_same_body:
            raise IdempotencyMismatch
        ops: list[Op] | None = []
        if remembered.changed:
            change = session and await self._store.change(session, remembered.position.revision)
            ops = self._principal.view.of_ops(change.ops) if change else None
        return Committed(remembered.base, remembered.position, remembered.changed, ops, replayed=True)


def _scoped(principal: Principal, intent: Intent) -> IdempotencyKey | None:
    if intent.key is None:
        return None
    return IdempotencyKey(intent.key, principal.actor, hashlib.sha256(intent.body).digest())
