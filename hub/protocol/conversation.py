"""The conversation of one live connection, without I/O: facts go in, actions come out.

The law: a copy is right or it is replaced. The conversation knows at which position the tab's copy
stands. It pushes a change only if that continues the copy, holds what it hears while it is reading, and
otherwise asks for a read. After ``ended`` it says nothing more.

``on_*`` methods return actions for the edge to carry out in their order; none of them waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from hub.core.access import View
from hub.core.change import Change
from hub.core.judge import Verdict, judge
from hub.core.limits import MAX_CHANGES
from hub.core.mode import Mode
from hub.core.position import Position
from hub.core.session import Ending, Session
from hub.errors import HubError, Malformed
from hub.protocol import messages
from hub.protocol.close_codes import CloseCode
from hub.protocol.messages import CommitRequest, Message, SnapshotReason

RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Send:
    """Write this message; it may be dropped with the changes around it if the tab is too slow."""

    message: Message


@dataclass(frozen=True, slots=True)
class Show:
    """Write this snapshot or ``live``. Like ``Push`` it continues the copy: to be left out once ``BEHIND``."""

    message: Message


@dataclass(frozen=True, slots=True)
class Reply:
    """Write this answer; it is never dropped."""

    message: Message


@dataclass(frozen=True, slots=True)
class Push:
    """Write this change as the connection's view may see it (encoded once for all of that view).

    An overflow in the middle of a list of actions makes the rest of the copy's story useless: while the
    conversation is ``BEHIND``, ``Push`` and ``Show`` are not to be written.
    """

    change: Change


@dataclass(frozen=True, slots=True)
class Read:
    """Ask the store what came after ``since``, or for the whole document."""

    since: Position | None


@dataclass(frozen=True, slots=True)
class Submit:
    """Try this commit, and report with ``on_committed`` or ``on_rejected``."""

    request: CommitRequest


@dataclass(frozen=True, slots=True)
class Touch:
    """The user did something: slide the idle deadline."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection. With ``drop_pending`` nothing that still waits is written before ``last``."""

    code: CloseCode
    reason: str = ""
    last: Message | None = None


Action: TypeAlias = Send | Show | Reply | Push | Read | Submit | Touch | Close


class Phase(Enum):
    """Where a conversation stands."""

    READING = auto()  # a read is under way; changes are held
    LIVE = auto()
    BEHIND = auto()  # the outbox overflowed; a snapshot follows when it has drained
    OVER = auto()


class Conversation:
    """One connection's side of the protocol. ``view`` decides what it may show."""

    __slots__ = ("_held", "_mode", "_presence", "_reason", "_withheld", "phase", "position", "view")

    def __init__(self, view: View) -> None:
        self.view = view
        self.phase = Phase.READING
        self.position: Position | None = None  # where the tab's copy stands, once it has all that was written
        # More than these need a read of their own anyway; a missing one shows as a gap.
        self._held: deque[Change] | None = None
        self._reason: SnapshotReason = "new"
        self._mode: list[Action] = []  # the last of each that was said, for a tab that may have missed it
        self._presence: list[Action] = []
        self._withheld: list[Action] = []  # that the hub is live again is said of a copy that has been read again

    # opening, and reading again

    def on_opened(self, position: Position | None, view_name: str | None) -> list[Action]:
        """The feed is subscribed; the tab says where its copy stands, if it has one."""
        if position is None or view_name is None:
            return self._read(None, "new")
        if view_name != self.view.name:
            return self._read(None, "view")
        return self._read(position, "new")

    def on_reload(self) -> list[Action]:
        """The feed was lost, or a position check failed: what the copy misses is not known."""
        if self.phase is Phase.LIVE:
            return self._read(self.position, "reload")
        return self._read(self.position, self._reason) if self.phase is Phase.READING else []

    def on_view(self, view: View) -> list[Action]:
        """The connection's rights changed: a copy made under the old ones is replaced."""
        if view.name == self.view.name or self.phase is Phase.OVER:
            return []
        self.view = view
        return self._read(None, "view")

    def on_changes(self, changes: Sequence[Change], now_at: Position) -> list[Action]:
        """The read found all that the copy misses: ``changes``, ending at ``now_at``."""
        if self.phase is not Phase.READING:
            return []
        self.position = now_at
        return self._caught_up([Push(change) for change in changes])

    def on_snapshot(self, session: Session, why: SnapshotReason | None = None) -> list[Action]:
        """The read found that only the whole document will do; ``why`` where the store knows better."""
        if self.phase is not Phase.READING:
            return []
        self.position = session.position
        return self._caught_up([Show(messages.snapshot(session, self.view, why or self._reason))])

    def _read(self, since: Position | None, reason: SnapshotReason) -> list[Action]:
        self.phase = Phase.READING
        self.position, self._reason = since, reason
        self._held = None
        return [Read(since)]

    def _caught_up(self, actions: list[Action]) -> list[Action]:
        assert self.position is not None
        self.phase = Phase.LIVE
        held, self._held = self._held or (), None
        for change in held:
            if self.phase is Phase.LIVE:
                actions += self.on_change(change)
            else:
                self._hold(change)  # one of them needed another read: they wait for that
        if self.phase is Phase.LIVE:
            actions += [*self._withheld, Show(messages.live(self.position, self.view))]
            self._withheld = []
        return actions

    # the feed

    def on_change(self, change: Change) -> list[Action]:
        """The feed brought a change of this session."""
        if self.phase is Phase.READING:
            self._hold(change)  # subscribed before the read: the read may not contain it
            return []
        if self.phase is not Phase.LIVE or self.position is None or change.base is None:
            return []
        match judge(self.position, change.base, change.position):
            case Verdict.APPLY:
                self.position = change.position
                return [Push(change)]
            case Verdict.STALE:
                return []
            case _:
                return self._read(self.position, "reload")

    def _hold(self, change: Change) -> None:
        if self._held is None:
            self._held = deque(maxlen=MAX_CHANGES)
        self._held.append(change)

    def on_ended(self, ending: Ending) -> list[Action]:
        """The session is over. Nothing follows but the close."""
        if self.phase is Phase.OVER:
            return []
        self.phase = Phase.OVER
        return [Close(CloseCode.ENDED, ending.reason, last=messages.ended(ending))]

    def on_overflow(self) -> list[Action]:
        """The outbox dropped changes: where the copy stands is not known, and one snapshot will mend it."""
        if self.phase is not Phase.OVER:
            self.phase, self.position = Phase.BEHIND, None
        return []

    def on_drained(self) -> list[Action]:
        """The outbox is empty again. What was dropped beside the changes is said again."""
        if self.phase is not Phase.BEHIND:
            return []
        return [*self._read(None, "reload"), *self._mode, *self._presence]

    # the tab

    def on_frame(self, frame: str | bytes) -> list[Action]:
        """The tab sent a frame."""
        if self.phase is Phase.OVER:
            return []
        try:
            request = messages.parse(frame)
        except Malformed as error:
            return self.on_broken(str(error))
        match request:
            case CommitRequest():
                return [Submit(request)]
            case messages.BadCommit():
                return [Reply(messages.rejected(request.id, request.error))]
            case messages.Ping():
                return [Send(messages.heartbeat(self.position))]
            case messages.Activity():
                return [Touch()]
            case messages.Unknown():
                return []

    def on_broken(self, why: str) -> list[Action]:
        """The tab broke the protocol."""
        return self._close(CloseCode.BAD_MESSAGE, why)

    def on_committed(self, commit_id: str, position: Position, changed: bool) -> list[Action]:
        """A commit of this tab is in the history."""
        return self._reply(messages.committed(commit_id, position, changed))

    def on_rejected(self, commit_id: str, error: HubError) -> list[Action]:
        """A commit of this tab was refused."""
        return self._reply(messages.rejected(commit_id, error))

    # the node

    def on_mode(self, mode: Mode) -> list[Action]:
        """What the hub can do changed."""
        if self.phase is Phase.OVER:
            return []
        self._mode = [Send(messages.mode(mode, RETRY_AFTER_SECONDS))]
        self._withheld = list(self._mode) if mode == "live" and self.phase is Phase.READING else []
        return [] if self._withheld else list(self._mode)

    def on_presence(self, connections: Sequence[Message]) -> list[Action]:
        """Who is connected changed."""
        if self.phase is Phase.OVER:
            return []
        self._presence = [Send(messages.presence(connections))]
        return list(self._presence)

    def on_heartbeat(self) -> list[Action]:
        """It is time for a sign of life."""
        return [Send(messages.heartbeat(self.position))] if self.phase is Phase.LIVE else []

    def on_closing(self, code: CloseCode, reason: str = "") -> list[Action]:
        """The node wants this connection closed, without the session being over."""
        return self._close(code, reason)

    def _reply(self, message: Message) -> list[Action]:
        return [] if self.phase is Phase.OVER else [Reply(message)]

    def _close(self, code: CloseCode, reason: str) -> list[Action]:
        if self.phase is Phase.OVER:
            return []
        self.phase = Phase.OVER
        return [Close(code, reason)]
