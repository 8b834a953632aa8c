"""One live connection: carries out what its conversation decides.

Facts come in from the feed, the tab and the node; the conversation turns them into actions; what is to be
written goes through the outbox to one writer. Nothing outside the writer waits for the tab.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from hub.core.access import View
from hub.core.position import Position
from hub.core.principal import Principal
from hub.core.session import Ending, Session
from hub.errors import HubError, Unavailable
from hub.live.outbox import MOST_FRAMES, Budget, Outbox, Put
from hub.live.turns import Turn, Turns
from hub.live.wires import Outgoing, Wire
from hub.protocol import conversation as talk
from hub.protocol.close_codes import CloseCode
from hub.protocol.conversation import Conversation
from hub.protocol.messages import CommitRequest
from hub.sessions.commit import Committed, Intent
from hub.sessions.sessions import CatchUp
from hub.telemetry import metrics, security

MOST_MISSED = MOST_FRAMES - 16  # changes of one resume: with `live` and what comes meanwhile they fit the outbox
CLOSE_GRACE_SECONDS = 0.5  # for the last frames of a tab that reads; one that does not is cut


class Transport(Protocol):
    """What a connection is written to."""

    async def send(self, frame: bytes) -> None:
        """Write one frame; waits while the tab does not read. Raises ``ConnectionError``."""

    async def close(self, code: CloseCode, reason: str) -> None:
        """Say good-bye."""


class UseCases(Protocol):
    """What a connection asks of the sessions."""

    async def catch_up(self, sid: str, since: Position | None, limit: int) -> CatchUp | None: ...
    async def commit(self, principal: Principal, sid: str, intent: Intent) -> Committed: ...
    async def touch(self, session: Session) -> None: ...


@dataclass(frozen=True, slots=True)
class Closing:
    """The connection is to be closed with this."""

    code: CloseCode
    reason: str


class Connection:
    """A tab, or a service that follows a session."""

    def __init__(
        self,
        *,
        principal: Principal,
        session: Session,
        view: View,
        app: str | None,
        wire: Wire,
        transport: Transport,
        sessions: UseCases,
        until_live: Callable[[], Awaitable[object]],
        turns: Turns,
        budget: Budget,
        learn: Callable[[Session], None],
        wants_presence: bool = False,
    ) -> None:
        self.id = secrets.token_urlsafe(9)
        self.sid, self.principal, self.app = session.sid, principal, app
        self.wants_presence = wants_presence
        self.conversation = Conversation(view)
        self.last_written = asyncio.get_running_loop().time()
        self._sending_since: float | None = None
        self._limit: asyncio.Timeout | None = None
        self.closing: Closing | None = None
        self.ending: Ending | None = None  # of its session, once it is told
        self._session, self._wire, self._transport = session, wire, transport
        self._sessions, self._until_live, self._learn = sessions, until_live, learn
        self._turns = turns
        self.turn: Turn | None = None  # that it opens in: the first read is part of that
        self._outbox = Outbox(budget)
        self._waiting: asyncio.Future[None] | None = None  # of the writer; lighter than an event for each of many
        self._reading: asyncio.Task[None] | None = None
        self._answering = asyncio.Lock()  # first come, first served: answers in the order of the commits
        self._tasks: set[asyncio.Task[None]] = set()

    # actions

    def act(self, actions: Iterable[talk.Action]) -> None:
        """Carry out what the conversation decided, in order."""
        for action in actions:
            match action:
                case talk.Push(change):
                    self.push(Outgoing(change))
                case talk.Show(message):
                    if not self._is_behind:
                        if message["type"] == "snapshot":
                            metrics.SNAPSHOTS.add(message["reason"])
                        self._put(self._wire.encode(message, self.conversation.view))
                case talk.Send(message):
                    self._put(self._wire.encode(message, self.conversation.view))
                case talk.Reply(message):
                    self._put_reply(self._wire.encode(message, self.conversation.view))
                case talk.Read(since):
                    self._read(since)
                case talk.Submit(request):
                    self.start(self._submit(request))
                case talk.Touch():
                    if self.principal.kind == "user":  # nobody else is the one who is there or not
                        self.start(self._sessions.touch(self._session))
                case talk.Close():
                    self._close(action)

    def on_change(self, outgoing: Outgoing) -> None:
        """The feed brought a change: the common case writes bytes that others of this view share."""
        for action in self.conversation.on_change(outgoing.change):
            if isinstance(action, talk.Push):
                self.push(outgoing)
            else:
                metrics.RELOADS.add("gap")  # nothing else is an answer to a change
                self.act([action])

    def end(self, ending: Ending) -> None:
        """The session is over: nothing more is written but that."""
        self.ending = ending
        self.act(self.conversation.on_ended(ending))

    def push(self, outgoing: Outgoing) -> None:
        """Put a change, as this connection may see it, unless one before it was dropped just now."""
        if self._is_behind:
            return
        is_own = outgoing.change.actor == self.principal.actor
        self._put(outgoing.frame(self._wire, self.conversation.view, is_own))

    @property
    def _is_behind(self) -> bool:
        return self.conversation.phase is talk.Phase.BEHIND

    def _put(self, frame: bytes) -> None:
        if self._outbox.put(frame) is Put.OVERFLOW:
            metrics.OUTBOX_COLLAPSES.add()
            self.act(self.conversation.on_overflow())
        self._wake()

    def _put_reply(self, frame: bytes) -> None:
        if self._outbox.put_reply(frame) is Put.TOO_MANY_REPLIES:
            self.act(self.conversation.on_closing(CloseCode.SLOW, "too many replies are waiting"))
        self._wake()

    def _close(self, action: talk.Close) -> None:
        if self.closing is not None:
            return
        self._outbox.clear()
        if action.last is not None:
            self._outbox.put(self._wire.encode(action.last, self.conversation.view))
        self.closing = Closing(action.code, action.reason)
        self._wake()
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + CLOSE_GRACE_SECONDS)

    # reading and committing

    def _read(self, since: Position | None) -> None:
        """One read at a time: an older one may have begun before the feed was heard, so it is dropped."""
        if self._reading is not None:
            self._reading.cancel()
        self._reading = self.start(self._catch_up(since))

    async def _catch_up(self, since: Position | None) -> None:
        caught = await self._ask_until_answered(since)
        if caught is None:
            self.act(self.conversation.on_closing(CloseCode.UNAUTHENTICATED))
            return
        session, history = caught.session, caught.history
        if session.ending is not None:
            self.end(session.ending)
            return
        self._session = session
        self._learn(session)
        if history is None:
            self.act(self.conversation.on_snapshot(session))
        elif history.why_not is not None:
            self.act(self.conversation.on_snapshot(session, history.why_not))
        else:
            metrics.RESUMES.add()
            at = history.changes[-1].position if history.changes else session.position
            self.act(self.conversation.on_changes(history.changes, at))

    async def _ask_until_answered(self, since: Position | None) -> CatchUp | None:
        while True:
            with contextlib.suppress(Unavailable):
                async with await self._turn():
                    return await self._sessions.catch_up(self.sid, since, MOST_MISSED)
            await self._until_live()

    async def _turn(self) -> Turn:
        turn, self.turn = self.turn, None
        return turn or await self._turns.take()

    async def _submit(self, request: CommitRequest) -> None:
        intent = Intent(
            patch=request.patch,
            body=request.text,
            request_id=self.id,
            if_position=request.if_position,
            key=request.id,
        )
        async with self._answering:
            try:
                done = await self._sessions.commit(self.principal, self.sid, intent)
            except HubError as error:
                security.refused(error, sid=self.sid, purpose="socket")
                self.act(self.conversation.on_rejected(request.id, error))
            else:
                self.act(self.conversation.on_committed(request.id, done.position, done.changed))

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do this beside, for as long as the connection is open; if it fails, the connection is closed."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.act(self.conversation.on_closing(CloseCode.SHUTDOWN, "1000"))
            metrics.INTERNAL_ERRORS.add()
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a live connection failed", "exception": task.exception(), "task": task}
            )

    # writing

    async def write(self) -> None:
        """Write what is put, until the connection is to be closed; then close it."""
        try:
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(None) as self._limit:
                    await self._write_frames()
            if self.closing is not None:
                with contextlib.suppress(TimeoutError, ConnectionError):
                    async with asyncio.timeout(CLOSE_GRACE_SECONDS):
                        await self._transport.close(self.closing.code, self.closing.reason)
        finally:
            self._outbox.clear()
            await self._stop_tasks()

    async def _write_frames(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            frame = self._outbox.take()
            if frame is not None:
                self._sending_since = loop.time()
                await self._transport.send(frame)
                self._sending_since, self.last_written = None, loop.time()
                metrics.DELIVERIES.add(self._wire.name)
            elif self.closing is not None:
                return
            else:
                self._waiting = loop.create_future()  # first: draining may put something
                if actions := self.conversation.on_drained():
                    metrics.RELOADS.add("overflow")
                    self.act(actions)
                await self._waiting

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def seconds_stuck(self, now: float) -> float:
        """How long the frame being written has been waiting for the tab to read."""
        return 0.0 if self._sending_since is None else now - self._sending_since

    async def _stop_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
