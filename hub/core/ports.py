"""What the use cases ask of a store, and the facts it answers with. ``hub.store`` is the one real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from hub.core.change import Change
from hub.core.json import Object
from hub.core.position import Position
from hub.core.session import Ending, EndReason, LogIn, Session


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session about to be opened. Durations are milliseconds."""

    sid: str
    log_in: LogIn
    verifier: bytes
    document: Object
    absolute_ms: int
    idle_ms: int
    retention_ms: int
    per_user: int
    actor: str
    request_id: str
    id_token: str = field(default="", repr=False)  # goes back to the provider at log-out


@dataclass(frozen=True, slots=True)
class Opened:
    """It is open; ``beyond`` are the user's oldest sessions over the limit, which are to be ended."""

    session: Session
    beyond: Sequence[str]


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key, scoped to session and actor, and what it stands for (a digest of the body)."""

    key: str
    actor: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an idempotency key was answered the first time."""

    is_same_body: bool
    base: Position
    position: Position
    changed: bool


@dataclass(frozen=True, slots=True)
class Revision:
    """The next revision of a session, worked out and waiting to be written."""

    position: Position
    chain: bytes
    document: Object
    entry: bytes
    trim_below: int  # oldest revision to keep; 0 keeps all


@dataclass(frozen=True, slots=True)
class Done:
    """Written and published."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody was faster: this is the session now."""

    session: Session


@dataclass(frozen=True, slots=True)
class Over:
    """The session is over, or a deadline has passed."""

    session: Session


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such session; or there is one that ``is_unfit`` to be written, as its history is not its own."""

    is_unfit: bool = False


CommitOutcome: TypeAlias = Done | Conflict | Over | Missing | Remembered


@dataclass(frozen=True, slots=True)
class History:
    """Part of a history: changes in order. ``is_known`` says whether ``since`` is in it."""

    changes: Sequence[Change]
    why_not: Literal["compacted", "fork", "ahead"] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """What an end did: ``confirmed`` says whether the replicas have it (``none`` of none is ``all``)."""

    count: int
    confirmed: Literal["all", "some", "none"] = "all"


class Clock(Protocol):
    """The store's time, as well as this node knows it."""

    def now_ms(self, sid: str | None = None) -> int:
        """Milliseconds since the epoch; by the clock that judges the deadlines of a session, where one is named."""


class SessionStore(Protocol):
    """Sessions at rest. Every method may raise ``Maintenance``, ``ReadOnly`` or ``Unconfirmed``."""

    @property
    def clock(self) -> Clock:
        """The store's time."""

    def new_sid(self, issuer: str, user: str) -> str:
        """A fresh public id; all sessions of one user share its first part."""

    async def open(self, new: NewSession) -> Opened | None:
        """Open a session; ``None`` if its log-in began before the user was logged out everywhere."""

    async def read(self, sid: str) -> Session | None:
        """The session as it is: live, or its tombstone. One that is due is ended first."""

    def id_token_of(self, session: Session) -> str:
        """The ID token that a live session was opened with, or ``""``."""

    async def read_for_commit(self, sid: str, key: IdempotencyKey | None) -> tuple[Session | None, Remembered | None]:
        """The same, and what the key was answered, read together."""

    async def commit(self, before: Session, after: Revision, key: IdempotencyKey | None) -> CommitOutcome:
        """Move the session to ``after`` if it still stands at ``before``; publish."""

    async def remember(self, sid: str, key: IdempotencyKey, unchanged_at: Position) -> None:
        """Keep the answer of a commit that changed nothing."""

    async def touch(self, session: Session, idle_ms: int) -> int | None:
        """Slide the idle deadline; the new deadline (ms), or ``None`` if the session is over."""

    async def end(self, sids: Sequence[str], reason: EndReason, *, detail: str, actor: str, request_id: str) -> Ended:
        """End these sessions of one user."""

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
        """End all live sessions of one user in one act, ``spared`` excepted."""

    async def changes(self, session: Session, since: Position, limit: int) -> History:
        """What came after ``since``, or why that cannot be said."""

    async def document_at(self, session: Session, position: Position) -> Object | None:
        """The document as it was at a position, if history reaches back to it."""

    async def change(self, session: Session, revision: int) -> Change | None:
        """One change, if history still has it."""

    def tag_of(self, issuer: str, user: str) -> str:
        """The part that all sids of a user share."""

    async def note_provider(self, session: Session) -> bool:
        """Write down which session at the provider opened this one; ``False`` if that has ended by now."""

    async def end_at_provider(self, issuer: str, idp_sid: str) -> list[str]:
        """A session at a provider has ended: mark it, and say which sids it opened."""

    async def sids_of(self, tag: str) -> list[str]:
        """The user's live sids, oldest first."""

    async def sids_from(self, cursor: str | None, limit: int) -> tuple[list[str], str | None]:
        """Live sids of everybody, page by page: sids and the next cursor."""

    async def connections(self, sid: str) -> list[dict[str, Any]]:
        """Who is connected now, over all nodes: ``[{id, app, since}]``."""


# what the feed brings


@dataclass(frozen=True, slots=True)
class HeardChange:
    """A change was published: still sealed."""

    sid: str
    position: Position
    sealed: bytes


@dataclass(frozen=True, slots=True)
class HeardEnd:
    """An end was published: still sealed."""

    sid: str
    at_ms: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class HeardPresence:
    """Connections of a session came or went."""

    sid: str


Heard: TypeAlias = HeardChange | HeardEnd | HeardPresence


class Part(Protocol):
    """Some of the users, by their tags: those whose sessions one shard of the store holds, or all."""

    def holds(self, tag: str) -> bool:
        """Whether this user is one of them."""


class Follower(Protocol):
    """Who is told what the feed brings. Neither method may block."""

    def on_heard(self, heard: Heard) -> None:
        """A message of a channel that is followed."""

    def on_feed_restored(self, part: Part) -> None:
        """The feed of these was lost and is back: what was missed meanwhile is not known."""


class Feed(Protocol):
    """What a node hears, and how it opens it."""

    async def subscribe(self, tag: str) -> None:
        """Hear of this user from now on; counted. Returns when the store has confirmed it."""

    async def unsubscribe(self, tag: str) -> None:
        """One follower of this user less."""

    def open_change(self, session: Session, heard: HeardChange) -> Change | None:
        """A published change; ``None`` where it does not open, which means: read again."""

    def open_end(self, session: Session, heard: HeardEnd) -> Ending | None:
        """A published end; ``None`` where it does not open, which means: ask the record."""

    async def positions(self, sids: Sequence[str]) -> Mapping[str, Position | None]:
        """Where live sessions stand now; ``None`` for one that is over or gone. Without those whose part of the store
        does not answer."""

    async def arrive(self, session: Session, connection: str, app: str | None) -> None:
        """A connection opened on this node."""

    async def depart(self, sid: str, connection: str) -> None:
        """A connection of this node closed."""
