"""Opening a live connection: what the caller asks for, what it may see, and its life until it closes.

Shared by WebSocket and server-sent events, which differ only in how they are accepted and written to.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs

from hub.core.access import Grants, View, narrow
from hub.core.masking import Masks
from hub.core.mode import Mode
from hub.core.position import Position
from hub.core.principal import Principal
from hub.core.session import Session
from hub.errors import Forbidden, Malformed, Unavailable
from hub.live import rights
from hub.live.admission import Admission, Opening
from hub.live.connection import Connection, Transport
from hub.live.fanout import Fanout
from hub.live.wires import Wire
from hub.protocol.close_codes import CloseCode
from hub.sessions.sessions import Sessions
from hub.telemetry import metrics

DRAIN_BATCH = 200
MOST_BATCHES = 50
DRAIN_PAUSE_SECONDS = 0.1
COME_BACK_PER_SECOND = 1000  # tabs, which is about what one other node can open
SHORTEST_WINDOW_MS, LONGEST_WINDOW_MS = 1000, 20_000


class Presence(Protocol):
    """Where connections are written down for all nodes to see."""

    async def arrive(self, session: Session, connection: str, app: str | None) -> None: ...
    async def depart(self, sid: str, connection: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller asks for: to resume from ``position`` under ``view``, as a tab of ``app``."""

    position: Position | None = None
    view: str | None = None
    app: str | None = None
    presence: bool = False


def parse_wish(query: bytes, last_event_id: str | None = None) -> Wish:
    """Read the query string (and ``Last-Event-ID``). Raises ``Malformed``."""
    try:
        given = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        raise Malformed("The query cannot be read") from None
    position, view = _one(given, "position"), _one(given, "view")
    if last_event_id:
        position, _, view = last_event_id.partition("/")
    try:
        at = Position.parse(position) if position and view else None
    except ValueError as error:
        raise Malformed(str(error)) from None
    return Wish(at, view or None, _one(given, "app") or None, _one(given, "presence") == "1")


def _one(given: Mapping[str, list[str]], name: str) -> str | None:
    values = given.get(name, [])
    if len(values) > 1:
        raise Malformed(f"The query names {name} twice")
    return values[0] if values else None


class Live:
    """The live side of a node: opens connections and, when the node stops, sends them elsewhere."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        fanout: Fanout,
        presence: Presence,
        app_grants: Mapping[str, Grants],
        masks: Masks,
        mode: Callable[[str], Mode],
        until_live: Callable[[str], Awaitable[object]],
        admission: Admission,
        messages_per_second: int,
    ) -> None:
        self.sessions, self.fanout, self.admission = sessions, fanout, admission
        self.messages_per_second = messages_per_second
        self._presence, self._app_grants, self._masks = presence, app_grants, masks
        self._mode, self._until_live = mode, until_live

    @property
    def draining(self) -> bool:
        """Whether this node sends its tabs elsewhere."""
        return self.admission.draining

    def app_of(self, principal: Principal, wish: Wish) -> str | None:
        """The app a connection belongs to: an app's own, what a ticket is bound to, else as wished."""
        if principal.app is not None and wish.app not in (None, principal.app):
            raise Forbidden("This credential is bound to another app")
        return principal.app or wish.app

    def view_for(self, principal: Principal, sid: str, app: str | None) -> View:
        """What the connection may see: an operator all of it, masked; a tab of an app what both browser and app may."""
        if principal.kind == "operator":
            return self._masks.view_of(sid)
        if app is None or principal.kind != "user":
            return principal.view
        app_grants = self._app_grants.get(app)
        if app_grants is None:
            raise Forbidden("There is no such app")
        return View.of(narrow(principal.grants, app_grants))

    def connect(
        self, principal: Principal, session: Session, wish: Wish, wire: Wire, transport: Transport
    ) -> Connection:
        """A connection, not yet followed."""
        app = self.app_of(principal, wish)
        return Connection(
            principal=principal,
            session=session,
            view=self.view_for(principal, session.sid, app),
            app=app,
            wire=wire,
            transport=transport,
            sessions=self.sessions,
            until_live=lambda: self._until_live(session.sid),
            turns=self.fanout.turns,
            budget=self.admission.budget,
            learn=self.fanout.registry.learn,
            wants_presence=wish.presence,
        )

    async def run(
        self,
        connection: Connection,
        session: Session,
        wish: Wish,
        opening: Opening,
        listen: Callable[[Connection], Awaitable[None]],
    ) -> None:
        """Follow the session until the connection closes. ``listen`` returns when the caller has gone."""
        connection.turn = opening.turn
        writing = asyncio.create_task(connection.write())
        counted, opened_ms = connection.principal.owns_its_session, self.fanout.clock.now_ms()
        try:
            opening.counted()
            await self.fanout.registry.join(connection, session)
            connection.start(rights.close_with_caller(connection, self.fanout))
            connection.act(connection.conversation.on_opened(wish.position, wish.view))
            if (mode := self._mode(session.sid)) != "live":
                connection.act(connection.conversation.on_mode(mode))
            if wish.presence and not counted:
                await self.fanout.tell_presence_to(connection)
            if counted:
                with contextlib.suppress(Unavailable):
                    await self._presence.arrive(session, connection.id, connection.app)
            listening = asyncio.ensure_future(listen(connection))
            await asyncio.wait({listening, writing}, return_when=asyncio.FIRST_COMPLETED)
            await _settle(listening)
        finally:
            await _settle(writing)
            self._measure_close(connection, opened_ms)
            await self.fanout.registry.leave(connection)
            if counted:
                with contextlib.suppress(Unavailable):
                    await self._presence.depart(session.sid, connection.id)

    def _measure_close(self, connection: Connection, opened_ms: int) -> None:
        closing, ending = connection.closing, connection.ending
        metrics.CONNECTIONS_CLOSED.add(str(int(closing.code)) if closing else metrics.GONE)
        if closing and ending and ending.at_ms >= opened_ms:  # who came later was told at once
            metrics.CLOSE_SECONDS.observe((self.fanout.clock.now_ms() - ending.at_ms) / 1000)

    async def drain(self) -> None:
        """Send every tab elsewhere, in batches; each comes back at a moment of its own within a window."""
        self.admission.draining = True
        leaving = list(self.fanout.registry.connections())
        window_ms = min(LONGEST_WINDOW_MS, max(SHORTEST_WINDOW_MS, len(leaving) * 1000 // COME_BACK_PER_SECOND))
        batch = max(DRAIN_BATCH, math.ceil(len(leaving) / MOST_BATCHES))
        for number, connection in enumerate(leaving, start=1):
            connection.act(connection.conversation.on_closing(CloseCode.SHUTDOWN, str(window_ms)))
            if number % batch == 0:
                await asyncio.sleep(DRAIN_PAUSE_SECONDS)


async def _settle(task: asyncio.Future[None]) -> None:
    """Stop a task that has no more to do, and let what it raised be raised here."""
    if not task.done():
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
