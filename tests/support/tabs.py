"""Callers of a running hub: sessions by bearer log-in, HTTP calls, and live tabs that check what they hear."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hub.core.document import apply
from tests.support.nodes import SERVICE_KEY, Cluster, Node

SECONDS = 5.0
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
Message = dict[str, Any]


@dataclass
class Opened:
    """A session opened for a test."""

    sid: str
    token: str
    position: str
    user: str


async def log_in(cluster: Cluster, node: Node, user: str = "ada", **claims: Any) -> Opened:
    """Open a session with a fresh token of the issuer."""
    async with httpx.AsyncClient(base_url=node.url, verify=node.verify) as client:
        token = cluster.provider.token(user, **claims)
        answer = await client.post("/v1/sessions", headers=bearer(token))
    assert answer.status_code == 201, answer.text
    said = answer.json()
    return Opened(said["sid"], said["token"], said["position"], said["user"])


def bearer(token: str) -> dict[str, str]:
    """The header for a token or key."""
    return {"Authorization": f"Bearer {token}"}


def as_service(node: Node, key: str = SERVICE_KEY) -> httpx.AsyncClient:
    """A client with a service's key."""
    return httpx.AsyncClient(base_url=node.url, headers=bearer(key), verify=node.verify)


def as_user(node: Node, opened: Opened) -> httpx.AsyncClient:
    """A client with a session token."""
    return httpx.AsyncClient(base_url=node.url, headers=bearer(opened.token), verify=node.verify)


async def merge(client: httpx.AsyncClient, sid: str, patch: Any, **headers: str) -> httpx.Response:
    """``PATCH`` with a merge patch."""
    return await client.patch(
        f"/v1/sessions/{sid}/document", content=json.dumps(patch), headers={"Content-Type": MERGE, **headers}
    )


class Hearing:
    """What is heard over a live connection of whatever kind, and a copy of the document, kept as the protocol says."""

    def __init__(self, document: Any = None, position: str = "") -> None:
        self.frames: list[Message] = []
        self.document, self.position = document, position
        self.view = ""
        self.code: int | None = None
        self.reason = ""
        self.closed_at: float | None = None  # by the loop's clock
        self._news = asyncio.Condition()

    async def _hear(self, message: Message) -> None:
        self._take(message)
        async with self._news:
            self._news.notify_all()

    async def _over(self, code: int | None, reason: str) -> None:
        self.code, self.reason = code, reason
        self.closed_at = asyncio.get_running_loop().time()
        async with self._news:
            self._news.notify_all()

    def _take(self, message: Message) -> None:
        self.frames.append(message)
        match message["type"]:
            case "snapshot":
                self.document, self.position = message["document"], message["position"]
                self.view = message["view"]
            case "change":
                assert message["base"] == self.position, f"{message} does not continue {self.position}"
                self.document = apply(self.document, message["ops"])
                self.position = message["position"]
            case "live":
                assert message["position"] == self.position or not self.document
                self.position, self.view = message["position"], message["view"]

    async def until(self, fact: Callable[[Self], bool], seconds: float = SECONDS) -> Self:
        """Wait for a fact about this tab."""

        async def wait() -> None:
            async with self._news:
                await self._news.wait_for(lambda: fact(self))

        try:
            await asyncio.wait_for(wait(), seconds)
        except TimeoutError:
            raise AssertionError(f"waited in vain; heard {self.frames[-5:]}, closed {self.code}") from None
        return self

    async def until_live(self) -> Self:
        """Caught up."""
        return await self.until(lambda tab: "live" in tab.types)

    async def until_closed(self, seconds: float = SECONDS) -> Self:
        """Closed by the other side."""
        return await self.until(lambda tab: tab.closed_at is not None, seconds)

    @property
    def types(self) -> list[str]:
        """The types heard so far."""
        return [frame["type"] for frame in self.frames]


class Tab(Hearing):
    """A WebSocket."""

    def __init__(self, socket: ClientConnection, document: Any = None, position: str = "") -> None:
        super().__init__(document, position)
        self.socket = socket
        self._reading = asyncio.create_task(self._read())

    async def __aenter__(self) -> Tab:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.socket.close()
        await self._reading

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                await self._hear(json.loads(text))
        except ConnectionClosed:
            pass
        await self._over(self.socket.close_code, self.socket.close_reason or "")

    async def send(self, message: Message) -> None:
        """Send one message."""
        await self.socket.send(json.dumps(message))

    async def answer(self, commit_id: str) -> Message:
        """The answer to a commit of this tab."""
        await self.until(lambda tab: any(frame.get("id") == commit_id for frame in tab.frames))
        return next(frame for frame in self.frames if frame.get("id") == commit_id)


async def open_tab(node: Node, token: str, sid: str = "me", query: str = "", **headers: str) -> Tab:
    """A tab of a caller with a bearer token."""
    return await open_with(node, {**bearer(token), **headers}, sid, query)


async def resume_tab(node: Node, token: str, copy: Tab) -> Tab:
    """A tab that continues the copy another tab had."""
    return await resume_with(node, bearer(token), copy)


async def resume_with(node: Node, headers: Mapping[str, str], copy: Hearing, sid: str = "me") -> Tab:
    """The same with just these headers."""
    query = f"?position={copy.position}&view={copy.view}"
    socket = await _connect(node, headers, sid, query, ("hub.v1",))
    return Tab(socket, copy.document, copy.position)


async def open_with(
    node: Node, headers: Mapping[str, str], sid: str = "me", query: str = "", subprotocols: Sequence[str] = ("hub.v1",)
) -> Tab:
    """A tab that shows just these headers and subprotocols. Raises ``InvalidStatus`` where none is accepted."""
    return Tab(await _connect(node, headers, sid, query, subprotocols))


async def _connect(
    node: Node, headers: Mapping[str, str], sid: str, query: str, subprotocols: Sequence[str]
) -> ClientConnection:
    return await connect(
        f"{node.ws_url}/v1/sessions/{sid}/live{query}",
        host="127.0.0.1",  # whatever name the node is met under
        port=node.port,
        ssl=node.verify if isinstance(node.verify, ssl.SSLContext) else None,
        subprotocols=[Subprotocol(name) for name in subprotocols],
        additional_headers=headers,
        compression=None,
        max_size=2**22,
        ping_interval=None,
        proxy=None,
    )
