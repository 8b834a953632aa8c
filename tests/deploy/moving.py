"""What makes every metric of a hub move: a life in small, and its accidents. One function each, named by what happens."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from redis import Redis
from websockets.asyncio.client import connect

from tests.support.answers import good
from tests.support.key_life import Locksmith
from tests.support.nodes import Cluster, Node
from tests.support.stores import kill
from tests.support.tabs import MERGE, Opened, Tab, as_service, bearer, log_in, merge, open_tab, resume_tab
from tests.support.waiting import eventually

USER = "zebedee"
VERIFY_KEY = "a-verify-key-of-the-metrics-tests"
RACERS = 30
LARGE_COMMITS = 30  # six megabytes: more than an outbox and the largest buffers of a loopback connection hold
LARGE = "x" * 200_000
MOST_SECONDS = 10.0


def workers_of(node: Node) -> list[int]:
    """The processes of its workers."""
    children = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]


class Life:
    """What happens on two nodes. ``committed``, ``opened``: what was acknowledged."""

    def __init__(self, cluster: Cluster, nodes: Sequence[Node]) -> None:
        self.cluster, self.nodes = cluster, nodes
        self.committed, self.opened = 0, 0
        self.tabs: list[tuple[Node, Tab]] = []

    async def session(self, node: Node) -> Opened:
        """Somebody logs in."""
        self.opened += 1
        return await log_in(self.cluster, node, USER)

    async def tab(self, node: Node, opened: Opened) -> Tab:
        """A tab that is live."""
        tab = await (await open_tab(node, opened.token)).until_live()
        self.tabs.append((node, tab))
        return tab

    async def commit(self, node: Node, opened: Opened, value: object, **headers: str) -> httpx.Response:
        """A service changes the profile."""
        async with as_service(node) as service:
            answer = await merge(service, opened.sid, {"profile": {"x": value}}, **headers)
        said = good(answer)
        self.committed += bool(said["changed"]) and "idempotency-replayed" not in answer.headers
        return answer

    # what is usual

    async def work(self) -> Opened:
        """Log-ins, tabs on both nodes, commits that reach them, one asked for twice, one that changes nothing."""
        opened = await self.session(self.nodes[0])
        tabs = [await self.tab(node, opened) for node in self.nodes]
        for number in range(10):
            answer = await self.commit(self.nodes[number % 2], opened, number, **{"Idempotency-Key": f"key-{number}"})
        await self.commit(self.nodes[1], opened, 9, **{"Idempotency-Key": "key-9"})
        await self.commit(self.nodes[0], opened, 9)
        for tab in tabs:
            await tab.until(lambda tab: tab.position == good(answer)["position"])
        return opened

    async def race(self, opened: Opened) -> None:
        """Both nodes commit to one session at the same time."""
        async with asyncio.TaskGroup() as group:
            for number in range(RACERS):
                group.create_task(self.commit(self.nodes[number % 2], opened, f"race {number}"))

    async def end(self, node: Node) -> None:
        """A session with a tab is ended."""
        opened = await self.session(node)
        tab = await (await open_tab(node, opened.token)).until_live()
        async with as_service(node) as service:
            assert (await service.delete(f"/v1/sessions/{opened.sid}")).status_code == 204
        await tab.until_closed()
        assert tab.code == 4500

    async def come_back(self, opened: Opened) -> None:
        """A tab that missed a change."""
        tab = await (await open_tab(self.nodes[0], opened.token)).until_live()
        await tab.socket.close()
        await self.commit(self.nodes[0], opened, "missed")
        async with await resume_tab(self.nodes[0], opened.token, tab) as again:
            await again.until_live()

    async def ask_apps(self) -> None:
        """One answers, the other is not there; another proxy asks about the first."""
        opened = await self.session(self.nodes[0])
        for node in self.nodes:
            async with httpx.AsyncClient(base_url=node.url, headers=bearer(opened.token)) as person:
                assert (await person.get("/apps/a/")).status_code == 200
                for _ in range(12):  # enough for both workers to leave it alone
                    assert (await person.get("/apps/b/")).status_code == 503
                asked = {"X-Hub-Verify-Key": VERIFY_KEY}
                assert (await person.get("/auth/verify?app=a", headers=asked)).status_code == 200

    async def name_a_strange_key(self) -> None:
        """A token signed with a key that the provider does not publish."""
        _, payload, signature = self.cluster.provider.token(USER).split(".")
        head = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": "nobodys"}).encode()).decode().rstrip("=")
        for node in self.nodes:
            async with httpx.AsyncClient(base_url=node.url) as client:
                headers = bearer(f"{head}.{payload}.{signature}")
                assert (await client.post("/v1/sessions", headers=headers)).status_code == 401

    # what is not

    async def read_slowly(self, node: Node) -> None:
        """A tab that stops reading while much is committed, and then goes on."""
        opened = await self.session(node)
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", node.port))
        async with connect(
            f"{node.ws_url}/v1/sessions/me/live",
            sock=small,
            additional_headers=bearer(opened.token),
            compression=None,
            max_size=2**22,
            max_queue=1,
        ) as slow:
            for number in range(LARGE_COMMITS):
                await self.commit(node, opened, f"{number}{LARGE}")
            async with asyncio.timeout(MOST_SECONDS):
                while json.loads(await slow.recv()).get("reason") != "reload":
                    continue
                assert json.loads(await slow.recv())["type"] == "live"

    def cut_the_feed(self) -> None:
        """Every node loses it at once."""
        with Redis.from_url(self.cluster.store_url) as store:
            store.client_kill_filter(_type="pubsub")

    async def lose_the_store(self, opened: Opened, is_noticed: Callable[[], Awaitable[bool]]) -> None:
        """It is killed, and started again once that was noticed."""
        kill(self.cluster.store)
        for node in self.nodes:
            await eventually(lambda: self._answers(node, opened, 503), MOST_SECONDS)  # noqa: B023  # awaited here
        await eventually(is_noticed, MOST_SECONDS)
        assert self.cluster.store.start() == self.cluster.store_url
        for node in self.nodes:
            await eventually(lambda: self._all_answer(node, opened), MOST_SECONDS)  # noqa: B023  # awaited here

    async def _all_answer(self, node: Node, opened: Opened) -> bool:
        """Whichever of its workers takes the connection: asked often enough to have met each."""
        return all([await self._answers(node, opened, 200) for _ in range(16)])

    async def _answers(self, node: Node, opened: Opened, status: int) -> bool:
        async with as_service(node) as service:
            return (await service.get(f"/v1/sessions/{opened.sid}")).status_code == status

    async def rotate(self) -> None:
        """Another master key."""
        await Locksmith.of(self.cluster).rotate("master")

    def kill_a_worker(self, node: Node) -> None:
        """One of two, with ``kill -9``."""
        os.kill(workers_of(node)[0], signal.SIGKILL)

    @asynccontextmanager
    async def drain(self, node: Node) -> AsyncIterator[None]:
        """SIGTERM while somebody is in the middle of a request; they go when this ends, and so does the node."""
        opened = await self.session(node)
        _, writer = await asyncio.open_connection("127.0.0.1", node.port)
        lines = [f"PATCH /v1/sessions/me/document HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\nContent-Length: 99"]
        lines += [f"Authorization: Bearer {opened.token}\r\nContent-Type: {MERGE}\r\n\r\n{{"]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{node.url}/healthz")).status_code == 200  # by now the other was read, too
        node.process.send_signal(signal.SIGTERM)
        yield
        writer.close()
        assert await asyncio.to_thread(node.process.wait, 30) == 0
