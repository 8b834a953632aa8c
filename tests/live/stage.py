"""A node's live side without sockets and without a store: a feed and tabs that do as they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from hub.core.change import Change
from hub.core.document import apply
from hub.core.masking import Masks
from hub.core.mode import Mode
from hub.core.ports import HeardChange, HeardEnd
from hub.core.position import Position
from hub.core.principal import Principal
from hub.core.session import Ending, Session
from hub.live.admission import Admission
from hub.live.connection import Connection
from hub.live.fanout import Fanout
from hub.live.opening import Live, Wish
from hub.live.rounds import Rounds
from hub.live.wires import WEBSOCKET
from tests.sessions.worlds import BILLING, BROWSER, World, merge

SECONDS = 5.0
ENDING = Ending("revoked", 1_764_000_000_123, "by the desk")


class Everybody:
    """A store of one part."""

    def holds(self, tag: str) -> bool:
        return True


EVERYBODY = Everybody()


class Feed:
    """What a node hears: nothing but what a test publishes. Writes down in which order it was asked what."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.log: list[str] = []
        self.confirmed = asyncio.Event()
        self.confirmed.set()
        self.changes: dict[bytes, Change] = {}
        self.counts: dict[str, int] = {}

    async def subscribe(self, tag: str) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        await self.confirmed.wait()
        self.log.append("subscribed")

    async def unsubscribe(self, tag: str) -> None:
        self.counts[tag] -= 1

    def heard(self, sid: str, change: Change) -> HeardChange:
        """The published form of a change."""
        sealed = str(change.position).encode()
        self.changes[sealed] = change
        return HeardChange(sid, change.position, sealed)

    def open_change(self, session: Session, heard: HeardChange) -> Change | None:
        return self.changes.get(heard.sealed)

    def open_end(self, session: Session, heard: HeardEnd) -> Ending | None:
        return ENDING if heard.sealed == b"good" else None

    async def positions(self, sids: Sequence[str]) -> dict[str, Position | None]:
        found = {sid: self._world.store.sessions.get(sid) for sid in sids}
        return {sid: None if each is None or each.ending else each.position for sid, each in found.items()}

    async def arrive(self, session: Session, connection: str, app: str | None) -> None:
        self.log.append(f"arrived {app}")

    async def depart(self, sid: str, connection: str) -> None:
        self.log.append("departed")


class Tab:
    """A transport, and the copy that its reader builds from it. ``pause`` makes it stop reading."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.document: Any = None
        self.at = ""
        self.code: int | None = None
        self.reason = ""
        self.reading = asyncio.Event()
        self.reading.set()
        self.is_broken = False
        self._news = asyncio.Condition()
        self.connection: Connection = None  # type: ignore[assignment]
        self.gone = asyncio.Event()

    def pause(self) -> None:
        """Read no further frame."""
        self.reading.clear()

    async def send(self, frame: bytes) -> None:
        await self.reading.wait()
        if self.is_broken:
            raise ConnectionError("gone")
        await self._take(json.loads(frame))

    async def close(self, code: int, reason: str) -> None:
        self.code, self.reason = int(code), reason
        async with self._news:
            self._news.notify_all()

    async def _take(self, message: dict[str, Any]) -> None:
        assert self.code is None, "a frame after the close"
        assert "ended" not in self.types, "a frame after the end"
        if message["type"] == "snapshot":
            self.document, self.at = message["document"], message["position"]
        elif message["type"] == "change":
            assert message["base"] == self.at, "a change that does not fit"
            self.document, self.at = apply(self.document, message["ops"]), message["position"]
        elif message["type"] == "live":
            assert message["position"] == self.at, "live, and not there"
        async with self._news:
            self.frames.append(message)
            self._news.notify_all()

    @property
    def types(self) -> list[str]:
        """What came, in order."""
        return [frame["type"] for frame in self.frames]

    async def until(self, fact: Callable[[Tab], bool]) -> Tab:
        """Wait for a fact about this tab."""
        async with asyncio.timeout(SECONDS), self._news:
            await self._news.wait_for(lambda: fact(self))
        return self

    async def until_at(self, position: Position) -> Tab:
        """Until the copy stands there."""
        return await self.until(lambda tab: tab.at == str(position))

    async def until_closed(self) -> Tab:
        """Until the hub closed it."""
        return await self.until(lambda tab: tab.code is not None)

    def say(self, message: dict[str, Any]) -> None:
        """What a socket does with a frame of the tab."""
        self.connection.act(self.connection.conversation.on_frame(json.dumps(message)))

    def commit(self, number: int, patch: Any) -> str:
        """Send a commit; its id."""
        commit_id = f"commit-{number:012d}"
        self.say({"type": "commit", "id": commit_id, "patch": patch})
        return commit_id

    @property
    def answers(self) -> list[str]:
        """The ids of commits answered, in the order of the answers."""
        return [frame["id"] for frame in self.frames if frame["type"] in ("committed", "rejected")]


class Stage:
    """One node with one session."""

    def __init__(self, per_session: int = 8) -> None:
        self.world = World()
        self.session = self.world.make()
        self.sid = self.session.sid
        self.feed = Feed(self.world)
        self.fanout = Fanout(self.feed, self.world.store.clock, self.world.sessions, per_session)
        self.rounds = Rounds(self.fanout, self.feed)
        self.mode: Mode = "live"
        self.is_live = asyncio.Event()
        self.is_live.set()
        self.live = Live(
            sessions=self.world.sessions,
            fanout=self.fanout,
            presence=self.feed,
            app_grants={"a": {"profile": "read"}},
            masks=Masks(b"k"),
            mode=lambda _: self.mode,
            until_live=lambda _: self.is_live.wait(),
            admission=Admission(self.fanout, self.rounds.memory, 0),
            messages_per_second=0,
        )

    @property
    def now(self) -> Session:
        """The session as the store has it."""
        return self.world.now(self.sid)

    def user(self) -> Principal:
        """The session's own user."""
        return Principal("user", "ada", BROWSER, sid=self.sid, session=self.session)

    @asynccontextmanager
    async def tab(self, wish: Wish | None = None, principal: Principal | None = None) -> AsyncIterator[Tab]:
        """A tab whose connection is open."""
        tab, wish = Tab(), wish or Wish()
        tab.connection = self.live.connect(principal or self.user(), self.session, wish, WEBSOCKET, tab)

        async def listen(_: Connection) -> None:
            await tab.gone.wait()

        opening = await self.live.admission.enter()
        running = asyncio.create_task(self.live.run(tab.connection, self.session, wish, opening, listen))
        try:
            yield tab
        finally:
            tab.gone.set()
            tab.reading.set()
            async with asyncio.timeout(SECONDS):
                await running
            opening.over()

    async def commit(self, patch: Any, *, is_heard: bool = True) -> Change:
        """Somebody commits; the feed brings it, unless it is lost."""
        await self.world.commits.commit(BILLING, self.sid, merge(patch))
        change = self.world.store.histories[self.sid][-1]
        if is_heard:
            self.fanout.on_heard(self.feed.heard(self.sid, change))
        return change

    async def end(self) -> None:
        """The session ends, and nobody is told."""
        await self.world.store.end([self.sid], "revoked", detail="by the desk", actor="a", request_id="r")

    def slide(self, **times: int) -> None:
        """Change deadlines in the record."""
        self.world.store.sessions[self.sid] = replace(self.now, **times)  # type: ignore[arg-type]
