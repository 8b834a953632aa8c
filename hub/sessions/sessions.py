"""What may be done with sessions, besides committing: open, read, list, touch, end."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.core.access import View
from hub.core.change import Change
from hub.core.document import size_of
from hub.core.json import Object
from hub.core.limits import MAX_CHANGES_BYTES
from hub.core.ports import Ended, History, NewSession, SessionStore
from hub.core.position import Position
from hub.core.principal import Principal
from hub.core.session import EndReason, LogIn, Session, is_sid, user_tag
from hub.errors import Compacted, Forbidden, HubError, SessionNotFound, Unauthenticated, Unavailable
from hub.sessions import verdicts
from hub.sessions.commit import Commits, Committed, Intent
from hub.sessions.rates import Rates
from hub.sessions.sections import Sections
from hub.telemetry import metrics
from hub.telemetry.security import SecurityEvent, note

AT_PROVIDER = "at the identity provider"
TOUCH_FRACTION = 10  # the idle deadline is slid at most every tenth of its length
TOUCH_LATEST_MS = 30_000


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long sessions live, in milliseconds, and how many a user may have."""

    idle_ms: int
    absolute_ms: int
    retention_ms: int
    per_user: int


class Sessions:
    """The use cases. One object a node."""

    def __init__(
        self, store: SessionStore, commits: Commits, sections: Sections, lifetimes: Lifetimes, rates: Rates
    ) -> None:
        self._store, self._commits, self._rates = store, commits, rates
        self.sections, self._lifetimes = sections, lifetimes
        self._slides: OrderedDict[str, int] = OrderedDict()  # when each was slid last, oldest first

    # open

    async def open(
        self,
        *,
        log_in: LogIn,
        verifier_for: Callable[[str], tuple[str, bytes]],
        identity: Object,
        request_id: str,
        id_token: str = "",
    ) -> tuple[Session, str]:
        """Open a session for a log-in; the session and its token.

        ``verifier_for`` makes token and verifier for a sid. Raises ``Unauthenticated`` if the log-in began
        before the user was logged out everywhere.
        """
        sid = self._store.new_sid(log_in.issuer, log_in.user)
        token, verifier = verifier_for(sid)
        document = self.sections.first_document(identity)
        self.sections.check(document, document)
        lives = self._lifetimes
        opened = await self._store.open(
            NewSession(
                sid=sid,
                log_in=log_in,
                verifier=verifier,
                document=document,
                absolute_ms=lives.absolute_ms,
                idle_ms=lives.idle_ms,
                retention_ms=lives.retention_ms,
                per_user=lives.per_user,
                actor=f"user:{log_in.user}",
                request_id=request_id,
                id_token=id_token,
            )
        )
        if opened is None:
            raise Unauthenticated("This log-in began before the user was logged out everywhere")
        metrics.SESSIONS_OPENED.add()
        note(SecurityEvent.SESSION_CREATED, sid=sid, provider=log_in.provider)
        if not await self._store.note_provider(opened.session):
            await self._store.end([sid], "logged_out", detail=AT_PROVIDER, actor="hub", request_id=request_id)
            raise Unauthenticated("The session at the identity provider has ended")
        if opened.beyond:
            await self._store.end(opened.beyond, "replaced", detail="", actor="hub", request_id=request_id)
        return opened.session, token

    def id_token_of(self, session: Session) -> str:
        """The ID token to end the session at its provider with, or ``""``."""
        return self._store.id_token_of(session)

    # read

    async def record(self, principal: Principal, sid: str) -> Session:
        """The session addressed, live or over. Raises ``SessionNotFound``."""
        sid = verdicts.addressed(principal, sid)
        if principal.session is not None and principal.session.sid == sid:
            return principal.session
        session = await self._store.read(sid) if is_sid(sid) else None
        if session is None:
            raise verdicts.missing(principal)
        return session

    async def live(self, principal: Principal, sid: str) -> Session:
        """The session addressed, which must be live."""
        session = await self.record(principal, sid)
        if session.ending is not None:
            raise verdicts.over(principal, session)
        return session

    async def document_at(self, session: Session, position: Position) -> Object:
        """The whole document as it was at a position of this history. Raises ``Compacted`` for any other."""
        found = await self._store.document_at(session, position)
        if found is None:
            raise Compacted(f"{position} is not in this history", current=str(session.position))
        return found

    async def changes(
        self, principal: Principal, sid: str, since: Position, limit: int
    ) -> tuple[Session, Sequence[Change]]:
        """What came after ``since``. Raises ``Compacted`` where history does not know it."""
        session = await self.record(principal, sid)
        if session.ending is not None and principal.kind != "operator":
            raise verdicts.over(principal, session)
        history = await self._store.changes(session, since, limit)
        if history.why_not is not None:
            raise Compacted(f"{since} is not in this history", current=str(session.position))
        return session, history.changes

    async def catch_up(self, sid: str, since: Position | None, limit: int) -> CatchUp | None:
        """For a live copy: the session, and what it misses, or that only a snapshot will do."""
        session = await self._store.read(sid)
        if session is None:
            return None
        if session.ending is not None or since is None:
            return CatchUp(session, None)
        try:
            history = await self._store.changes(session, since, limit + 1)
        except Compacted:
            return CatchUp(session, History((), "compacted"))  # a part of it does not open: replace the copy
        too_many = len(history.changes) > limit or _bytes_of(history) > MAX_CHANGES_BYTES
        if history.why_not is None and too_many:
            history = History((), "compacted")
        return CatchUp(session, history)

    async def connections(self, sid: str) -> list[Object]:
        """Who is connected to a session, over all nodes: ``[{id, app, since, node}]``."""
        return await self._store.connections(sid)

    # list

    async def of_user(self, provider_issuer: str, user: str) -> list[Session]:
        """The live sessions of a user, oldest first."""
        return await self._all(await self._store.sids_of(self._store.tag_of(provider_issuer, user)))

    async def page(self, cursor: str | None, limit: int) -> tuple[list[Session], str | None]:
        """Live sessions of everybody, page by page."""
        sids, following = await self._store.sids_from(cursor, limit)
        return await self._all(sids), following

    async def _all(self, sids: Sequence[str]) -> list[Session]:
        found = await asyncio.gather(*(self._store.read(sid) for sid in sids))
        return [session for session in found if session is not None and session.ending is None]

    # commit and touch

    async def commit(self, principal: Principal, sid: str, intent: Intent) -> Committed:
        """Commit to the session addressed; a user's commit also slides the idle deadline."""
        try:
            committed = await self._commit(principal, sid, intent)
        except HubError as error:
            metrics.COMMITS.add(error.code)
            raise
        metrics.COMMITS.add(committed.outcome)
        return committed

    async def _commit(self, principal: Principal, sid: str, intent: Intent) -> Committed:
        sid = verdicts.addressed(principal, sid)
        if not is_sid(sid):
            raise SessionNotFound
        if principal.kind == "operator":
            raise Forbidden("Operators look and end; they do not edit")
        self._rates.take(principal, sid)
        committed = await self._commits.commit(principal, sid, intent)
        if principal.kind == "user" and principal.session is not None:
            await self.touch(principal.session)
        return committed

    async def touch(self, session: Session) -> None:
        """The user did something: slide the idle deadline, now and then, and never because of it fail."""
        now, idle = self._store.clock.now_ms(session.sid), self._lifetimes.idle_ms
        pause = min(idle // TOUCH_FRACTION, TOUCH_LATEST_MS)
        if now - self._slides.get(session.sid, -pause) < pause:
            return
        self._slides[session.sid] = now
        self._slides.move_to_end(session.sid)
        while now - next(iter(self._slides.values())) >= pause:
            self._slides.popitem(last=False)
        with contextlib.suppress(Unavailable):
            await self._store.touch(session, idle)

    # end

    async def end(self, principal: Principal, sid: str, *, detail: str = "", request_id: str = "") -> Ended:
        """End a session, or find it over already. Reason: by its user ``logged_out``, else ``revoked``."""
        sid = verdicts.addressed(principal, sid)
        if principal.kind == "app" or not (principal.kind == "user" or principal.may_end):
            raise Forbidden("Ending sessions is not granted")
        session = await self._store.read(sid) if is_sid(sid) else None
        if session is None:
            raise verdicts.missing(principal)
        return await self._store.end(
            [sid],
            _reason(principal),
            detail=detail,
            actor=principal.actor,
            request_id=request_id,
        )

    async def end_user(
        self,
        principal: Principal,
        issuer: str,
        user: str,
        *,
        spared: str | None = None,
        detail: str = "",
        request_id: str = "",
    ) -> Ended:
        """End all sessions of a user in one act, ``spared`` excepted."""
        tag = self._store.tag_of(issuer, user)
        is_own = principal.kind == "user" and principal.sid is not None and principal.app is None
        if not (principal.may_end or (is_own and user_tag(principal.sid or "") == tag)):
            raise Forbidden("Ending sessions of this user is not granted")
        if spared is not None and (not is_sid(spared) or user_tag(spared) != tag):
            raise SessionNotFound("The session to be spared is not one of this user")
        return await self._store.end_user(
            tag,
            _reason(principal),
            spared=spared,
            detail=detail,
            actor=principal.actor,
            request_id=request_id,
        )

    async def end_at_provider(
        self, provider: str, issuer: str, *, idp_sid: str | None, user: str | None, request_id: str
    ) -> int:
        """A provider ends a session of its own, or (without ``idp_sid``) all of a user's; how many ended here."""
        actor = f"provider:{provider}"
        if idp_sid is None:
            tag = self._store.tag_of(issuer, user or "")
            ended = await self._store.end_user(
                tag, "logged_out", spared=None, detail=AT_PROVIDER, actor=actor, request_id=request_id
            )
            return ended.count
        count = 0
        for sid in await self._store.end_at_provider(issuer, idp_sid):
            ended = await self._store.end([sid], "logged_out", detail=AT_PROVIDER, actor=actor, request_id=request_id)
            count += ended.count
        return count


@dataclass(frozen=True, slots=True)
class CatchUp:
    """A session, and what a copy of it misses (``None``: no copy to continue)."""

    session: Session
    history: History | None


def _reason(principal: Principal) -> EndReason:
    return "logged_out" if principal.kind == "user" else "revoked"


def _bytes_of(history: History) -> int:
    return sum(size_of(change.ops) for change in history.changes)


def visible_part(session: Session, view: View, only: Sequence[str] | None) -> Object:
    """What ``view`` shows of a session's document; of these sections ``only``, if given."""
    visible = view.of_document(session.document)
    return visible if only is None else {name: visible[name] for name in only if name in visible}
