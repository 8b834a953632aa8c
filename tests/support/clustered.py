"""A cluster: three primaries and a replica of each, every one a process of its own on a port of its own.

Any of them can be killed or frozen, and slots moved key by key while others write.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from hub.store.slots import SLOTS, slot_of
from tests.support.ports import free_port
from tests.support.replicated import Server, wait_for

NODE_TIMEOUT_MS = 1500
LINES = [
    "cluster-enabled yes",
    f"cluster-node-timeout {NODE_TIMEOUT_MS}",
    "cluster-replica-validity-factor 0",
    "cluster-require-full-coverage no",  # else a shard that fails over stops all of them meanwhile
    "cluster-allow-replica-migration no",
]


class Member(Server):
    """One server of it."""

    @property
    def id(self) -> str:
        """The name it has in the cluster."""
        found: bytes = self.ask("CLUSTER", "MYID")
        return found.decode()

    def info(self) -> dict[str, str]:
        """How it sees the cluster."""
        lines = (self.ask("CLUSTER", "INFO") or b"").decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


class Clustered:
    """All of them. ``primaries`` and ``replicas`` as they were at the start. Its methods wait; from a test they are
    called with ``asyncio.to_thread``, those that start processes excepted (they end with the thread that started them).
    """

    def __init__(self, folder: Path, replicas: int = 1, more: Iterable[str] = ()) -> None:
        self.primaries = [self._member(folder / f"primary-{n}", more) for n in range(3)]
        self.replicas = [self._member(folder / f"replica-{n}", more) for n in range(3 * replicas)]
        self.grown: list[Member] = []

    def _member(self, folder: Path, more: Iterable[str]) -> Member:
        return Member(folder, free_port(), [*LINES, f"cluster-port {free_port()}", *more])

    @property
    def servers(self) -> list[Member]:
        """All of them."""
        return [*self.primaries, *self.replicas, *self.grown]

    @property
    def url(self) -> str:
        """As the configuration has it; two of them are enough to find the others."""
        return f"redis+cluster://{','.join(f'127.0.0.1:{each.port}' for each in self.servers[1:3])}"

    def start(self) -> None:
        """Start all, and wait until everybody knows everybody."""
        for number, server in enumerate(self.servers):
            server.start()
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, server in enumerate(self.primaries):
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            assert server.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for server in self.servers[1:]:
            self.meet(server)
        wait_for(lambda: all(each.info().get("cluster_known_nodes") == f"{len(self.servers)}" for each in self.servers))
        for number, replica in enumerate(self.replicas):
            primary = self.primaries[number % 3]
            wait_for(lambda primary=primary, replica=replica: replica.ask("CLUSTER", "REPLICATE", primary.id))  # type: ignore[misc]
        wait_for(self.is_whole)

    def meet(self, server: Member) -> None:
        """Make it known to the first one."""
        bus = next(line.split()[1] for line in server.more if line.startswith("cluster-port"))
        assert self.servers[0].ask("CLUSTER", "MEET", "127.0.0.1", server.port, bus)

    def grow(self) -> Member:
        """One more server, which serves nothing."""
        new = self._member(self.servers[0].folder.parent / f"grown-{len(self.servers)}", ())
        new.start()
        self.grown.append(new)
        self.meet(new)
        wait_for(lambda: all(each.info().get("cluster_known_nodes") == f"{len(self.servers)}" for each in self.servers))
        return new

    def is_whole(self) -> bool:
        """Whether everybody says that all is well, every shard has its copies, and all agree who is what."""
        if not all(each.info().get("cluster_state") == "ok" for each in self.servers):
            return False
        views = [self._view(each) for each in self.servers]
        copies = len(self.replicas) // 3
        return all(view == views[0] for view in views) and all(
            len(ports) == 1 + copies and self._copies_of(ports[0]) == copies for _, ports in views[0]
        )

    def _view(self, server: Member) -> list[tuple[int, tuple[int, ...]]]:
        ranges = server.ask("CLUSTER", "SLOTS") or []
        return sorted((start, (nodes[0][1], *sorted(each[1] for each in nodes[1:]))) for start, _, *nodes in ranges)

    def _copies_of(self, port: int) -> int:
        role = self.at(port).ask("ROLE")
        return len(role[2]) if role and role[0] == b"master" else 0

    def at(self, port: int) -> Member:
        """The one that listens there."""
        return next(each for each in self.servers if each.port == port)

    # who serves what

    def owner(self, name: str | int) -> Member:
        """The primary of a slot, or of the slot of a key or channel, as most of those that run see it."""
        slot = slot_of(name) if isinstance(name, str) else name
        found: list[Member] = []

        def is_agreed() -> bool:
            ports = [self._port_of(each, slot) for each in self.servers if each.is_running]
            ports = [port for port in ports if port]
            most = max(set(ports), key=ports.count, default=0)
            found[:] = [self.at(most)] if ports.count(most) * 2 > len(ports) else []
            return bool(found) and found[0].is_primary

        wait_for(is_agreed)
        return found[0]

    def _port_of(self, server: Member, slot: int) -> int:
        for start, end, primary, *_ in server.ask("CLUSTER", "SLOTS") or []:
            if start <= slot <= end:
                return int(primary[1])
        return 0

    def owners(self) -> list[Member]:
        """The primaries that serve slots now."""
        ports = {nodes[0][1] for _, _, *nodes in self.servers[0].ask("CLUSTER", "SLOTS")}
        return [self.at(port) for port in sorted(ports)]

    def replicas_of(self, primary: Member) -> list[Member]:
        """Its copies that run."""
        role = primary.ask("ROLE")
        ports = [int(each[1]) for each in role[2]] if role and role[0] == b"master" else []
        return [self.at(port) for port in ports]

    def keys_in(self, server: Member, slot: int) -> list[bytes]:
        """The keys of a slot that a server has, some of them."""
        return list(server.ask("CLUSTER", "GETKEYSINSLOT", slot, 50) or [])

    # what happens to it, from a test

    def begin_move(self, slot: int, target: Member) -> Member:
        """The slot is on its way; the one it comes from."""
        source = self.owner(slot)
        assert target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        assert source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        return source

    def move_keys(self, slot: int, source: Member, target: Member, most: int = 1 << 30) -> int:
        """A few at a time; how many."""
        moved = 0
        while moved < most and (keys := self.keys_in(source, slot)):
            some = keys[: most - moved]
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 2000, "KEYS", *some)
            moved += len(some)
        return moved

    def end_move(self, slot: int, target: Member) -> None:
        """It has arrived: everybody is told, its new owner first."""
        name = target.id
        for server in [target, *(each for each in self.servers if each is not target)]:
            if server.is_running and (server is target or server.is_primary):
                server.ask("CLUSTER", "SETSLOT", slot, "NODE", name)

    def move(self, slot: int, target: Member) -> None:
        """All of it."""
        source = self.begin_move(slot, target)
        while self.keys_in(source, slot):
            self.move_keys(slot, source, target)
        self.end_move(slot, target)

    async def fail_over(self, primary: Member, *, by_standstill: bool = False) -> Member:
        """``kill -9`` of a primary, or it stands still for too long; it comes back as a replica of the one promoted,
        which is the answer."""
        [new] = await asyncio.to_thread(self.replicas_of, primary)
        if by_standstill:
            primary.signal(signal.SIGSTOP)
        else:
            primary.kill()
        await asyncio.to_thread(self.until_promoted, new)
        if by_standstill:
            primary.signal(signal.SIGCONT)
        else:
            primary.start()  # on this thread
        await asyncio.to_thread(wait_for, self.is_whole)
        return new

    def until_promoted(self, replica: Member) -> None:
        """Until it is a primary, and serves what its own was serving."""
        wait_for(lambda: replica.is_primary)
        wait_for(lambda: any(node[1] == replica.port for _, _, node, *_ in replica.ask("CLUSTER", "SLOTS") or []))

    def stop(self) -> None:
        """Kill all."""
        for server in self.servers:
            if server.is_running:
                with contextlib.suppress(ProcessLookupError):
                    server.kill()


@asynccontextmanager
async def clustered(folder: Path, replicas: int = 1, more: Iterable[str] = ()) -> AsyncIterator[Clustered]:
    """Started, and killed in the end."""
    made = Clustered(folder, replicas, more)
    try:
        made.start()  # on this thread
        yield made
    finally:
        await asyncio.to_thread(made.stop)
