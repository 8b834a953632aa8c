"""Who serves what in a cluster: asked of its own servers, starting at the few that are known, and never taken on trust.

Servers disagree while something moves. The answer that knows the newest epoch counts, once most of those who were asked
have answered; an older one than was known already only where no other can be had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from hub.store.asking import ask_all
from hub.store.guide import check_stays_here
from hub.store.info import read_info
from hub.store.slots import SLOTS, Ranges, is_within, size
from hub.store.store_url import Address

ASK_SECONDS = 1.0
MOST_ASKED = 16
UNKNOWN_HOSTS = (b"", b"?", None)  # the one that was asked knows no better name for itself or its neighbour


class NoCluster(RedisConnectionError):
    """A server that is reached, and is no part of a cluster."""


class NotAllowed(RedisConnectionError):
    """A cluster that may not be asked who serves what."""


@dataclass(frozen=True, slots=True)
class Served:
    """One shard: the slots, who serves them, and whose copies there are. ``nodes`` are names that stay."""

    primary: Address
    replicas: tuple[Address, ...]
    nodes: tuple[str, ...]  # the primary's first
    slots: Ranges


@dataclass(frozen=True, slots=True)
class View:
    """The cluster as one of its servers sees it."""

    epoch: int
    is_ok: bool
    shards: tuple[Served, ...]
    asked: Address

    @property
    def covered(self) -> int:
        """How many slots are served."""
        return sum(size(each.slots) for each in self.shards)

    @property
    def rank(self) -> tuple[int, bool, int]:
        """What makes one better than another."""
        return self.epoch, self.is_ok, self.covered

    def primary_of(self, slot: int) -> Address | None:
        """Who serves it."""
        return next((each.primary for each in self.shards if is_within(slot, each.slots)), None)


class Topology:
    """What is known of a cluster. ``connect`` makes a connection to a server that is named."""

    def __init__(
        self, seeds: Sequence[Address], connect: Callable[[Address], AbstractConnection], *, is_tls: bool
    ) -> None:
        self.seeds, self._connect, self._is_tls = seeds, connect, is_tls
        self.view: View | None = None

    def connect(self, address: Address) -> AbstractConnection:
        """A new, not yet connected connection to a server that was named. Raises ``RedisConnectionError``."""
        check_stays_here(address, is_tls=self._is_tls, whose="the cluster names")
        return self._connect(address)

    async def ask(self) -> View:
        """How it is now. Raises ``RedisConnectionError``, or what the servers object to."""
        asked = self._known()
        epoch = -1 if self.view is None else self.view.epoch

        def is_enough(found: list[View]) -> bool:
            return len(found) * 2 > len(asked) and max(view.epoch for view in found) >= epoch

        best = max(await self._ask(asked, is_enough), key=lambda view: view.rank)
        if self.view is None or best.covered:  # a server that was emptied knows nothing, and is no reason to forget
            self.view = best
        return self.view

    async def do_most_name(self, address: Address, slot: int) -> bool:
        """Whether most primaries, of all there are, can be reached and hold this one for the primary of a slot."""
        primaries = [each.primary for each in self.view.shards] if self.view else []

        def do_most(found: list[View]) -> bool:
            named = [view for view in found if view.asked in primaries and view.primary_of(slot) == address]
            return len(named) * 2 > len(primaries)

        try:
            return do_most(await self._ask(primaries, do_most))
        except (RedisError, OSError):
            return False

    def _known(self) -> list[Address]:
        shards = self.view.shards if self.view else ()
        replicas = [address for each in shards for address in each.replicas]
        return list(dict.fromkeys([*(each.primary for each in shards), *self.seeds, *replicas]))[:MOST_ASKED]

    async def _ask(self, addresses: Iterable[Address], is_enough: Callable[[list[View]], bool]) -> list[View]:
        return await ask_all(
            map(self._ask_one, addresses), is_enough, never=(AuthenticationError, NoCluster, NotAllowed)
        )

    async def _ask_one(self, address: Address) -> View:
        connection = self.connect(address)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command("CLUSTER", "INFO")
                facts = await connection.read_response()
                await connection.send_command("CLUSTER", "SLOTS")
                return read_view(facts, await connection.read_response(), address)
        except NoPermissionError:
            raise NotAllowed("this user may not ask CLUSTER INFO and CLUSTER SLOTS") from None
        except ResponseError as error:
            raise (NoCluster if "disabled" in str(error) else RedisConnectionError)(str(error)) from None
        finally:
            await connection.disconnect(nowait=True)


def read_view(facts: Any, slots: Any, asked: Address) -> View:
    """What ``CLUSTER INFO`` and ``CLUSTER SLOTS`` say. Raises ``RedisConnectionError``."""
    try:
        known = read_info(facts)
        epoch, is_ok = int(known["cluster_current_epoch"]), known["cluster_state"] == "ok"
        ranges, servers = dict[str, list[range]](), dict[str, Any]()
        for first, last, primary, *replicas in slots:
            name = primary[2].decode()
            ranges.setdefault(name, []).append(range(int(first), min(int(last), SLOTS - 1) + 1))
            servers[name] = [primary, *replicas]
        found = [_served(servers[name], ranges[name], asked) for name in servers]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise RedisConnectionError("a server does not answer as one of a cluster") from None
    return View(epoch, is_ok, tuple(sorted(found, key=lambda each: each.slots[0].start)), asked)


def _served(servers: Sequence[Any], ranges: Ranges, asked: Address) -> Served:
    places = [(asked[0] if host in UNKNOWN_HOSTS else host.decode(), int(port)) for host, port, *_ in servers]
    nodes = tuple(server[2].decode() for server in servers)
    return Served(places[0], tuple(places[1:]), nodes, tuple(ranges))
