"""The store as the rest of the hub sees it: one object, made of the parts in this folder."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from hub.core.chain import Chain
from hub.core.change import Change
from hub.core.json import Object
from hub.core.looking import LookAgain, nowhere
from hub.core.mode import Mode
from hub.core.ports import (
    Clock,
    CommitOutcome,
    Ended,
    Follower,
    HeardChange,
    HeardEnd,
    History,
    IdempotencyKey,
    NewSession,
    Opened,
    Part,
    Remembered,
    Revision,
)
from hub.core.position import Position
from hub.core.session import Ending, EndReason, Session, user_tag
from hub.errors import HubError, Unavailable
from hub.store import records
from hub.store.cancelling import cancel
from hub.store.clock import Clocks
from hub.store.connecting import StoreTls
from hub.store.durability import Durability
from hub.store.ends import Ends
from hub.store.histories import Histories
from hub.store.idp_sessions import IdpSessions
from hub.store.keyring import KeyRing
from hub.store.keyring.named import name_keys
from hub.store.listing import Listing
from hub.store.once import Once
from hub.store.openings import Openings
from hub.store.presence import NODE_BEAT_SECONDS, Presence
from hub.store.scripts import Scripts
from hub.store.sealing import MasterKeys, SealBroken
from hub.store.sessions import Records
from hub.store.shard import Shard
from hub.store.shard import each as of_each
from hub.store.shards import Shards
from hub.store.watching import Watching
from hub.telemetry.security import SecurityEvent, note

SWEEP_SECONDS = 10.0
SWEEP_MOST = 100  # sessions of one listing set in one sweep


class Store:
    """All of it. ``start`` before use, ``stop`` after."""

    def __init__(
        self,
        url: str,
        ring: KeyRing,
        node: str,
        tls: StoreTls | None = None,
        look_again: LookAgain = nowhere,
        durability: str = "local",
    ) -> None:
        self.shards = Shards(url, tls, Durability.parse(durability))
        self.calls = calls = self.shards.calls
        self._clock = clock = Clocks(self.shards.clock_of)
        self.chain = Chain(ring.chain.active.secret)
        self._masters = MasterKeys(ring.master.secrets, ring.master.active.kid, look_again)
        index_key = ring.index.active.secret
        self._records = Records(calls, Scripts(calls), clock, self._masters, self.chain, index_key)
        self._openings = Openings(self._records)
        self._ends = Ends(self._records)
        self._histories = Histories(calls)
        self._idp = IdpSessions(calls, index_key)
        self.once = Once(calls, index_key)
        self.listing = Listing(calls, clock)
        self.presence = Presence(calls, clock, node)
        self.presence.key_names = name_keys(ring)
        self._has_news = asyncio.Event()
        self.watching = Watching(self.shards, self._ends)
        self.watching.listeners.append(self._on_mode)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def clock(self) -> Clock:
        return self._clock

    # life

    async def start(self, follower: Follower) -> None:
        """Reach the store, hear the feed for ``follower``, keep house. Of a cluster: all shards that can be reached.

        Raises ``HubError`` without a store, ``ConfigurationError`` where it and this node do not trust each other.
        """
        await self.shards.find()
        await of_each(self.shards.all, Shard.get_known)
        with contextlib.suppress(HubError):  # where it is written may be away, while others are there
            await self.presence.beat()
        self._tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._sweep())]
        await self.watching.start(follower)

    def follow_ring(self, ring: KeyRing) -> None:
        """Go on with other keys, and tell those who ask. The index key is the same for ever."""
        self._masters.replace_keys(ring.master.secrets, ring.master.active.kid)
        self._records.opened.forget()
        self.chain.key = ring.chain.active.secret
        self.presence.key_names = name_keys(ring)
        self._has_news.set()

    async def stop(self) -> None:
        """Leave in order."""
        await cancel(self._tasks)
        await self.watching.stop()
        if self._tasks:
            with contextlib.suppress(HubError):
                await self.presence.leave()
        await self.shards.close()

    @property
    def is_ready(self) -> bool:
        """Whether all of the store answers and the feed delivers."""
        return self.watching.is_ready

    @property
    def mode(self) -> Mode:
        """The worst of all shards."""
        return self.shards.mode

    def mode_of(self, sid: str) -> Mode:
        """What can be done with a session."""
        return self.shards.mode_of(user_tag(sid))

    async def until_live(self, sid: str) -> None:
        """Until everything can be done with a session again."""
        await self.shards.until_live(user_tag(sid))

    def _on_mode(self, mode: Mode, _: Part) -> None:
        if mode == "live":
            self._has_news.set()  # who lives may have been forgotten meanwhile

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(HubError):
                await self.presence.beat()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._has_news.wait(), NODE_BEAT_SECONDS)
            self._has_news.clear()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            with contextlib.suppress(HubError):
                await self.sweep()

    async def sweep(self) -> None:
        """End what is due, so that sessions without tabs end and are recorded too."""
        for sid in await self.listing.due(SWEEP_MOST):
            with contextlib.suppress(Unavailable):  # of its shard; the others' go on
                session = await self.read(sid)
                is_over = session is None or session.ending is not None
                await self.listing.correct(sid, None if session is None or is_over else session.deadline_ms)

    # sessions

    def tag_of(self, issuer: str, user: str) -> str:
        return self._records.tag_of(issuer, user)

    def new_sid(self, issuer: str, user: str) -> str:
        return self._records.new_sid(issuer, user)

    async def open(self, new: NewSession) -> Opened | None:
        self.check_writable(user_tag(new.sid))
        return await self._openings.open(new)

    async def read(self, sid: str) -> Session | None:
        return (await self.read_for_commit(sid, None))[0]

    def id_token_of(self, session: Session) -> str:
        return records.read_hint(session)

    async def read_for_commit(self, sid: str, key: IdempotencyKey | None) -> tuple[Session | None, Remembered | None]:
        session, remembered = await self._records.read_with_key(sid, key)
        return await self._settled(session), remembered

    async def _settled(self, session: Session | None) -> Session | None:
        """Past a deadline a session is over: whoever notices first ends it, in whatever mode."""
        if session is None or (session.ending is None and session.due(self._clock.now_ms(session.sid)) is None):
            return session
        try:
            return await self._ends.end_if_due(session)
        except Unavailable:
            if session.ending is None:
                raise
            return session

    async def commit(self, before: Session, after: Revision, key: IdempotencyKey | None) -> CommitOutcome:
        self.check_writable(user_tag(before.sid))
        return await self._records.commit(before, after, key)

    async def remember(self, sid: str, key: IdempotencyKey, unchanged_at: Position) -> None:
        await self._records.remember(sid, key, unchanged_at)

    async def touch(self, session: Session, idle_ms: int) -> int | None:
        return await self._records.touch(session, idle_ms)

    async def end(self, sids: Sequence[str], reason: EndReason, *, detail: str, actor: str, request_id: str) -> Ended:
        self.check_writable(user_tag(sids[0]) if sids else None)
        return await self._ends.end(sids, reason, detail=detail, actor=actor, request_id=request_id)

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
        self.check_writable(tag)
        return await self._ends.end_user(tag, reason, spared=spared, detail=detail, actor=actor, request_id=request_id)

    def check_writable(self, tag: str | None = None) -> None:
        """Raise what a write for this user (for anybody) would be answered while none can be made."""
        self.watching.check_writable(tag)

    # reads beside sessions

    async def changes(self, session: Session, since: Position, limit: int) -> History:
        return await self._histories.changes(session, since, limit)

    async def document_at(self, session: Session, position: Position) -> Object | None:
        return await self._histories.document_at(session, position)

    async def change(self, session: Session, revision: int) -> Change | None:
        return await self._histories.change(session, revision)

    async def note_provider(self, session: Session) -> bool:
        return await self._idp.note(session)

    async def end_at_provider(self, issuer: str, idp_sid: str) -> list[str]:
        self.check_writable()
        return await self._idp.end(issuer, idp_sid)

    async def sids_of(self, tag: str) -> list[str]:
        return await self._ends.sids_of(tag)

    async def sids_from(self, cursor: str | None, limit: int) -> tuple[list[str], str | None]:
        return await self.listing.page(cursor, limit)

    async def connections(self, sid: str) -> list[dict[str, Any]]:
        return await self.presence.connections(sid)

    # the feed

    async def subscribe(self, tag: str) -> None:
        await self.watching.feed.subscribe(tag)

    async def unsubscribe(self, tag: str) -> None:
        await self.watching.feed.unsubscribe(tag)

    async def positions(self, sids: Sequence[str]) -> Mapping[str, Position | None]:
        return await self._records.positions(sids)

    async def arrive(self, session: Session, connection: str, app: str | None) -> None:
        await self.presence.arrive(session, connection, app)

    async def depart(self, sid: str, connection: str) -> None:
        await self.presence.depart(sid, connection)

    def open_change(self, session: Session, heard: HeardChange) -> Change | None:
        """A published change; ``None`` where it does not open, which means: read again."""
        try:
            change, _ = records.read_entry(heard.sid, heard.position, heard.sealed, session.data_key)
        except SealBroken as error:
            note(SecurityEvent.CRYPT_DECRYPT_FAIL, sid=heard.sid, purpose="feed", why=str(error))
            return None
        return change

    def open_end(self, session: Session, heard: HeardEnd) -> Ending | None:
        """A published end; ``None`` where it does not open, which means: ask the record."""
        try:
            said = records.read_ending(heard.sid, heard.sealed, session.data_key)
        except SealBroken as error:
            note(SecurityEvent.CRYPT_DECRYPT_FAIL, sid=heard.sid, purpose="feed", why=str(error))
            return None
        return Ending(at_ms=heard.at_ms, **said)
