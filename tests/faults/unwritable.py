"""A store by itself that can be made to refuse, and two nodes of it."""

from __future__ import annotations

import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass

from hub.store.embedded import _die_with_parent
from tests.faults.busy import Busy
from tests.faults.stage import CRIPPLED
from tests.support.echo import EchoApp
from tests.support.load import Load
from tests.support.nodes import Cluster, Node, cluster
from tests.support.ports import free_port
from tests.support.replicated import Server

Break = Callable[[Server], AbstractContextManager[None]]


def setting(name: str, bad: object, good: object) -> Break:
    """A line of the store's configuration that forbids writing."""

    @contextmanager
    def fault(store: Server) -> Iterator[None]:
        assert store.ask("CONFIG", "SET", name, bad) == b"OK"
        yield
        assert store.ask("CONFIG", "SET", name, good) == b"OK"

    return fault


@contextmanager
def full_disk(store: Server) -> Iterator[None]:
    """Its append-only file cannot grow any more."""
    assert store.process is not None
    pid, limit = store.process.pid, resource.RLIMIT_FSIZE
    (file,) = (store.folder / "appendonlydir").glob("*.incr.aof")
    before = resource.prlimit(pid, limit)
    resource.prlimit(pid, limit, (file.stat().st_size, before[1]))
    yield
    resource.prlimit(pid, limit, before)


@contextmanager
def made_a_replica(store: Server) -> Iterator[None]:
    """Of a server that is not there."""
    assert store.ask("REPLICAOF", "127.0.0.1", free_port()) == b"OK"
    yield
    assert store.ask("REPLICAOF", "NO", "ONE") == b"OK"


FAULTS: dict[str, Break] = {
    "store out of memory": setting("maxmemory", 1, 0),
    "store without replicas": setting("min-replicas-to-write", 1, 0),
    "disk full": full_disk,
    "store made a replica": made_a_replica,
}


def _born_to_fill_disks() -> None:
    """Python lets children die of a file that is too large; a server handles the error."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _die_with_parent()


@dataclass
class Place:
    """A store by itself and two nodes."""

    cluster: Cluster
    store: Server
    nodes: list[Node]

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[Busy]:
        """Callers of both nodes."""
        async with Load(self.cluster, self.nodes, 0.0) as load:
            yield Busy(self.nodes, load)


@contextmanager
def place(cripples: str = "") -> Iterator[Place]:
    """Set it up."""
    with EchoApp() as app, cluster() as made:
        store = Server(made.folder / "server", free_port(), birth=_born_to_fill_disks)
        store.start()
        made.store_url = f"redis://127.0.0.1:{store.port}"
        nodes = [made.node(CRIPPLED, CRIPPLES=cripples, HUB_APPS__A__UPSTREAM=app.url) for _ in range(2)]
        yield Place(made, store, nodes)
        for node in nodes:
            node.kill()
        store.kill()


@contextmanager
def without_a_right(store: Server) -> Iterator[None]:
    """The hub's user may not append to histories any more."""
    assert store.ask("ACL", "SETUSER", "default", "-xadd") == b"OK"
    yield
    assert store.ask("ACL", "SETUSER", "default", "+xadd") == b"OK"
