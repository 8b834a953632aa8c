"""A store and two nodes on five machines that can be cut off from each other, each with its share of the sentinels.

Machines 0 to 2 have a server and a sentinel each, the first one the primary; 3 and 4 have a node. Between machines
there is only TLS.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from hub.store.embedded import _die_with_parent
from tests.faults.promoted import Promoted, killed
from tests.faults.stage import CRIPPLED
from tests.support.doors import Doors
from tests.support.load import Load
from tests.support.namespaces import Namespace, Network, network
from tests.support.nodes import Cluster, Node, cluster
from tests.support.ports import free_port
from tests.support.replicated import NAME, Replicated, Server
from tests.support.tabs import Opened, bearer
from tests.support.tls import Certificates, certificates

PRIMARY, OTHERS, NODES = 0, (1, 2), (3, 4)
ASK_SECONDS = 0.05


class Scattered(Replicated):
    """Its servers are on machines of their own; the quick sentinel is not beside the primary."""

    first = OTHERS[0]

    def __init__(self, folder: Path, net: Network, shown: Certificates) -> None:
        found = shutil.which("redis-server")
        assert found, "no redis-server on the path (apt install redis-server)"  # it can speak TLS
        tls = [f"tls-cert-file {shown.chain}", f"tls-key-file {shown.key}", f"tls-ca-cert-file {shown.authority}"]
        tls += ["tls-auth-clients no", "tls-replication yes", "port 0"]

        def server(name: str, machine: int, *, is_sentinel: bool) -> Server:
            at, host, port = net.machines[machine], net.addresses[machine], free_port()
            lines = [*tls, f"tls-port {port}"]
            birth = _born_in(at)
            return Server(folder / f"{name}-{machine}", port, lines, is_sentinel, found, host=host, birth=birth)

        machines = (PRIMARY, *OTHERS)
        self.servers = [server("data", machine, is_sentinel=False) for machine in machines]
        self.sentinels = [server("sentinel", machine, is_sentinel=True) for machine in machines]

    @property
    def url(self) -> str:
        return f"rediss+sentinel://{','.join(f'{each.host}:{each.port}' for each in self.sentinels)}/{NAME}"


def _born_in(machine: Namespace) -> Callable[[], None]:
    def birth() -> None:
        machine.enter()
        _die_with_parent()

    return birth


@dataclass
class Divided(Promoted):
    """One run on all these machines."""

    net: Network

    def part(self, *machines: int) -> float:
        """Cut these off from the others; when."""
        self.net.part(*machines)
        return time.monotonic()

    def join(self) -> float:
        """Everybody reaches everybody again; when."""
        self.net.join()
        return time.monotonic()


@dataclass
class Answers:
    """What a node says to a user who never stops asking: when, and the status."""

    said: list[tuple[float, int]] = field(default_factory=list)

    async def ask(self, client: httpx.AsyncClient, opened: Opened) -> None:
        """Until cancelled."""
        while True:
            answer = await client.get("/v1/sessions/me/document", headers=bearer(opened.token))
            self.said.append((time.monotonic(), answer.status_code))
            await asyncio.sleep(ASK_SECONDS)

    def last(self, status: int, since: float, until: float) -> float:
        """How long after ``since`` it said so for the last time before ``until``; 0 for never."""
        return max((when - since for when, each in self.said if each == status and since < when < until), default=0.0)

    def first(self, status: int, since: float) -> float:
        """How long after ``since`` it said so first; infinite for never."""
        return min((when - since for when, each in self.said if each == status and since < when), default=float("inf"))


@asynccontextmanager
async def divided(lacks: tuple[str, str] = ("", "")) -> AsyncIterator[Divided]:
    """Set it up. ``lacks``: cripples of the two nodes."""
    with network(len((PRIMARY, *OTHERS, *NODES))) as net, cluster() as made:
        shown = certificates(made.folder, *net.addresses)
        store = Scattered(made.folder, net, shown)
        try:
            store.start()
            made.store_url = store.url
            async with Doors() as doors:
                places = zip(NODES, lacks, strict=True)
                starting = [
                    asyncio.ensure_future(_node(made, doors, net.machines[n], shown, names)) for n, names in places
                ]
                await asyncio.to_thread(store.until_known)
                nodes = await asyncio.gather(*starting)
                with killed(nodes):
                    async with Load(made, nodes, 0.0) as load:
                        yield Divided(nodes, load, store, net)
        finally:
            await asyncio.to_thread(store.stop)


async def _node(made: Cluster, doors: Doors, machine: Namespace, shown: Certificates, cripples: str) -> Node:
    port, issuer = free_port(), urlsplit(made.provider.issuer).port
    assert issuer is not None
    await doors.open(port, socket.socket, machine.socket)
    await doors.open(issuer, machine.socket, socket.socket)
    settings = {"HUB_DURABILITY": "replicated:1", "HUB_STORE_CA_FILE": str(shown.authority)}
    return await asyncio.to_thread(
        lambda: made.node(CRIPPLED, port=port, CRIPPLES=cripples, NETNS=machine.path, **settings)
    )
