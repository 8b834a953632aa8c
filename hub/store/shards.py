"""All shards of the store, and which of them serves what. One, for a store that is no cluster."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import NoReturn

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from hub.core.mode import Mode
from hub.core.session import user_tag
from hub.errors import ConfigurationError
from hub.store import keys
from hub.store.calls import Calls
from hub.store.cancelling import cancel
from hub.store.clock import StoreClock
from hub.store.connecting import Connector, StoreTls, Ways, connector
from hub.store.durability import Durability
from hub.store.lanes import Command
from hub.store.place import Place, pair
from hub.store.redirects import Redirects
from hub.store.routed import Routed
from hub.store.shard import Shard
from hub.store.slots import SLOTS, first_key, slot_of
from hub.store.store_url import Address, StoreUrl
from hub.store.topology import Served, View

FRESH_SECONDS = 0.1  # what was asked that recently is not asked again
LOOK_SECONDS = 30.0  # now and then, whether something moved or not
WORST: tuple[Mode, ...] = ("live", "read_only", "maintenance")

log = logging.getLogger("hub.store.shards")


class Shards:
    """``find`` before use. ``all`` are those there are now; ``calls`` goes to the right one of them by itself.

    ``on_new`` and ``on_gone`` hear of those that come and go later, ``on_changed`` that slots are served elsewhere.
    Raises ``ValueError`` for what is no URL, ``ConfigurationError`` for certificates that cannot be used.
    """

    def __init__(self, url: str, tls: StoreTls | None = None, durability: Durability | None = None) -> None:
        at = StoreUrl.parse(url)
        self._durability = durability or Durability()
        self.ways = Ways(at, tls) if at.is_cluster else None
        self.all: list[Shard] = []
        self.on_new: Callable[[Shard], None] = lambda _: None
        self.on_gone: Callable[[Shard], None] = lambda _: None
        self.on_changed: Callable[[], None] = lambda: None
        self._places: dict[Place, Shard] = {}
        self._table: list[Shard | None] = [None] * SLOTS
        self._is_changed = False
        self._own_clock = StoreClock()
        self._guests: dict[Address, Calls] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._nowhere = Calls(Connector(self._nobody), lambda _: None)
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self._looking_round: asyncio.Task[None] | None = None
        self._redirects = Redirects(self)
        if self.ways is None:
            self.all.append(self._new(Shard(connector(url, tls), self._durability)))
        self.calls = Routed(self._calls_for, self._durability)

    @property
    def is_cluster(self) -> bool:
        """Whether there may be several, and other ones tomorrow."""
        return self.ways is not None

    # who serves what

    def of(self, name: str) -> Shard | None:
        """The shard that serves a key or channel; ``None`` where none does now."""
        return self.all[0] if self.ways is None else self._table[slot_of(name)]

    def of_tag(self, tag: str) -> Shard | None:
        """The shard with all of a user."""
        return self.all[0] if self.ways is None else self._table[slot_of(tag)]

    def of_sid(self, sid: str) -> Shard | None:
        """The shard with a session."""
        return self.of_tag(user_tag(sid))

    def _calls_for(self, name: str) -> Calls:
        shard = self.of(name)
        return self._nowhere if shard is None else shard.calls

    def calls_for(self, command: Command) -> Calls:
        """Where a command belongs."""
        return self._calls_for(first_key(command))

    def calls_at(self, address: Address) -> Calls:
        """Calls to one server, whatever it serves. It may serve nothing yet, where a slot is on its way to it."""
        for place, shard in self._places.items():
            if place.current == address:
                return shard.calls
        if address not in self._guests:
            assert self.ways is not None, "only a cluster sends anybody elsewhere"
            made = Calls(self.ways.to_server(address), lambda _: None, durability=self._durability)
            made.take_over = self._redirects.for_calls(None)
            self._guests[address] = made
        return self._guests[address]

    def clock_of(self, sid: str | None) -> StoreClock:
        """The clock that judges a session; for none in particular the one that nodes go by among themselves."""
        shard = self.of(keys.NODES) if sid is None else self.of_sid(sid)
        return self._own_clock if shard is None else shard.clock

    @property
    def mode(self) -> Mode:
        """The worst of all."""
        return max((shard.mode for shard in self.all), key=WORST.index, default="maintenance")

    def mode_of(self, tag: str) -> Mode:
        """What can be done for a user."""
        shard = self.of_tag(tag)
        return "maintenance" if shard is None else shard.mode

    async def until_live(self, tag: str) -> None:
        """Until everything can be done for a user again."""
        while (shard := self.of_tag(tag)) is None or shard.mode != "live":
            if shard is None:
                await asyncio.sleep(FRESH_SECONDS)
            else:
                await shard.health.is_live.wait()

    # life

    async def find(self) -> None:
        """Look where they are. Raises ``ConfigurationError`` where no patience helps, else ``HubError`` for a
        cluster of which nobody answers."""
        if self.ways is not None:
            self._adopt(await self.ways.first_view())
            if not self.all:
                raise ConfigurationError("store_url: the cluster serves no slots; create it with --cluster create")

    def look_round(self) -> None:
        """From now on, look now and then, until closed."""
        if self.ways is not None:
            self._looking_round = asyncio.create_task(self._look_round())

    async def _look_round(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(RedisError, OSError):
                await self.look()

    async def close(self) -> None:
        """Look no more, and let what is under way arrive."""
        await cancel([self._looking, self._looking_round])
        await asyncio.gather(*self._closing)
        for shard in self.all:
            await shard.finish()
        for calls in [*self._guests.values(), self._nowhere]:
            await calls.close()

    # looking

    def look_soon(self) -> None:
        """Somebody was told that something is elsewhere."""
        if self.ways is not None and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(_nobody_minds)

    async def look(self) -> None:
        """Ask the cluster, unless that was done just now. Raises ``RedisError`` or ``OSError``."""
        if asyncio.get_running_loop().time() - self._looked_at > FRESH_SECONDS:
            self.look_soon()
            if self._looking is not None:
                await asyncio.shield(self._looking)

    async def _look(self) -> None:
        assert self.ways is not None, "only a cluster is looked at"
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._looked_at + FRESH_SECONDS - loop.time()))
        view = await self.ways.topology.ask()
        self._looked_at = loop.time()
        self._adopt(view)

    def heard_moved(self, slot: int, address: Address) -> None:
        """A server says where a slot is."""
        for place, shard in self._places.items():
            if place.current == address:
                self._is_changed = self._is_changed or self._table[slot] is not shard
                self._table[slot] = shard
        self.look_soon()

    def _adopt(self, view: View) -> None:
        table: list[Shard | None] = [None] * SLOTS
        gone, self.all = dict(self._places), []
        pairs = [(place or self._found(served), served) for place, served in pair(list(self._places), view.shards)]
        for place, served in pairs:
            gone.pop(place, None)
            shard = self._places[place]
            shard.slots = served.slots
            self.all.append(shard)
            for slots in served.slots:
                table[slots.start : slots.stop] = [shard] * len(slots)
        is_changed, self._is_changed = self._is_changed or table != self._table, False
        self._table = table
        for place, served in pairs:
            place.move(served)  # which may be heard of: by then everything is in its place
        for place, shard in gone.items():
            del self._places[place]
            place.vanish()
            self.on_gone(shard)
        if is_changed:
            self.on_changed()

    def _found(self, served: Served) -> Place:
        assert self.ways is not None, "only a cluster is looked at"
        place = Place(self.ways.topology, served, self.look)
        shard = self._new(Shard(self.ways.to_primary(place), self._durability, served.slots))
        shard.holds = lambda tag: self.of_tag(tag) is shard
        self._places[place] = shard
        if (guest := self._guests.pop(served.primary, None)) is not None:
            closing = asyncio.create_task(guest.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self.on_new(shard)
        return place

    def _new(self, shard: Shard) -> Shard:
        shard.calls.take_over = self._redirects.for_calls(shard)
        return shard

    def _nobody(self) -> NoReturn:
        self.look_soon()
        raise RedisConnectionError("nobody serves this slot")


def _nobody_minds(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("cluster_unknown", extra={"why": type(error).__name__})
