"""Where the primary of one shard of a cluster is. The cluster is asked for every new connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from redis.exceptions import ConnectionError as RedisConnectionError

from hub.store.slots import Ranges
from hub.store.store_url import Address
from hub.store.topology import Served, Topology


class Place:
    """A guide. ``look`` asks the cluster and moves all places that have moved."""

    def __init__(self, topology: Topology, served: Served, look: Callable[[], Awaitable[None]]) -> None:
        self._topology, self._look = topology, look
        self.current: Address | None = served.primary
        self.nodes, self.slots = served.nodes, served.slots
        self.on_moved: Callable[[], None] = lambda: None

    def move(self, served: Served) -> None:
        """What the cluster says by now."""
        before, self.current = self.current, served.primary
        self.nodes, self.slots = served.nodes, served.slots
        if before != served.primary:
            self.on_moved()

    def vanish(self) -> None:
        """It serves nothing any more."""
        self.current, self.slots = None, ()

    async def primary(self) -> Address:
        """Where it is. Raises ``RedisConnectionError``, or what the servers object to."""
        await self._look()
        if self.current is None:
            raise RedisConnectionError("this shard serves nothing any more")
        return self.current

    async def do_most_name(self, address: Address) -> bool:
        """Whether most primaries, of all there are, can be reached and hold this one for the primary of its slots."""
        return bool(self.slots) and await self._topology.do_most_name(address, self.slots[0].start)


def pair(places: list[Place], shards: tuple[Served, ...]) -> list[tuple[Place | None, Served]]:
    """Each shard with the place that is its own: the same primary, one of its replicas, or most of its slots."""
    left, found = list(places), dict[int, Place]()

    def take(number: int, place: Place | None) -> None:
        if place is not None:
            left.remove(place)
            found[number] = place

    def are_same(place: Place, served: Served, how_many: int | None) -> bool:
        return served.nodes[0] in place.nodes[:how_many]

    for how_many in (1, None):
        for number, served in enumerate(shards):
            if number not in found:
                take(number, next((each for each in left if are_same(each, served, how_many)), None))
    for number, served in enumerate(shards):
        if number not in found:
            take(number, max(left, key=lambda each: _shared(each.slots, served.slots), default=None))
            if number in found and not _shared(found[number].slots, served.slots):
                left.append(found.pop(number))
    return [(found.get(number), served) for number, served in enumerate(shards)]


def _shared(some: Ranges, others: Ranges) -> int:
    return sum(max(0, min(a.stop, b.stop) - max(a.start, b.start)) for a in some for b in others)
