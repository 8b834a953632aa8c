"""A tab as a browser keeps it: it reconnects, resumes from its position, and sends what was not answered again.

Everything it hears is recorded as it came. It judges nothing: whether the frames make sense is the checker's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import time
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from tests.support.histories import Frame, Story
from tests.support.nodes import Node
from tests.support.tabs import bearer

Message = dict[str, Any]
AGAIN_SECONDS = 0.05
DRAINED = 4001


class Copy:
    """One tab of one session, on whichever of ``nodes`` lives, the first one first."""

    def __init__(self, name: str, nodes: Sequence[Node], token: str, sid: str = "me") -> None:
        self.story = Story(name)
        self.nodes, self._token, self._sid = nodes, token, sid
        self.position, self.view = "", ""
        self.is_over = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.receive_bytes = 0  # of the system's buffer, where not the usual
        self._connection: ClientConnection | None = None
        self._turn = 0  # the node to try next
        self._pending: dict[str, tuple[Message, asyncio.Future[Message]]] = {}
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Close it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for _, answer in self._pending.values():
            answer.cancel()

    async def until_at(self, position: str, seconds: float) -> bool:
        """Whether it gets there in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self.position == position)
                return True
        return False

    async def until_over(self, seconds: float) -> bool:
        """Whether it is told in time not to come back."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self.is_over)
                return True
        return False

    async def commit(self, message: Message) -> Message:
        """Send a commit until it is answered, over as many connections as that takes."""
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._pending[message["id"]] = (message, answer)
        await self._say(message)
        try:
            return await answer
        finally:
            del self._pending[message["id"]]

    async def _run(self) -> None:
        while not self.is_over:
            living = [node for node in self.nodes if node.process.poll() is None]
            try:
                async with await self._connect(living[self._turn % len(living)]) as connection:
                    self._connection = connection
                    await self._listen(connection)
            except (InvalidHandshake, ConnectionClosed, TimeoutError):
                await asyncio.sleep(AGAIN_SECONDS)
            except OSError:  # it takes no connections, or no more
                self._turn += 1
                await asyncio.sleep(AGAIN_SECONDS)
            finally:
                self._connection = None
        for _, answer in self._pending.values():
            answer.cancel()

    async def _connect(self, node: Node) -> ClientConnection:
        query = f"?position={self.position}&view={self.view}" if self.position else ""
        raw = socket.socket()
        if self.receive_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        raw.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", node.port))
        except OSError:
            raw.close()
            raise
        return await connect(
            f"{node.ws_url}/v1/sessions/{self._sid}/live{query}",
            subprotocols=[Subprotocol("hub.v1")],
            additional_headers=bearer(self._token),
            compression=None,
            max_size=2**22,
            ping_interval=None,
            proxy=None,
            close_timeout=1,
            sock=raw,
        )

    async def _listen(self, connection: ClientConnection) -> None:
        try:
            async for text in connection:
                await self.reads.wait()
                await self._take(json.loads(text))
        except ConnectionClosed:
            pass
        self.is_over = (connection.close_code or 0) >= 4500
        await self._take({"type": "closed", "code": connection.close_code})
        if connection.close_code == DRAINED:  # the reason says over how many ms those who come back shall spread
            await asyncio.sleep(random.uniform(0, int(connection.close_reason or 0) / 1000))

    async def _take(self, message: Message) -> None:
        self.story.frames.append(Frame(time.monotonic(), message))
        match message["type"]:
            case "snapshot" | "live":
                self.position, self.view = message["position"], message["view"]
            case "change":
                self.position = message["position"]
            case "committed" | "rejected" if message["id"] in self._pending:
                _, answer = self._pending[message["id"]]
                if not answer.done():
                    answer.set_result(message)
        if message["type"] == "live":
            for unanswered, _ in list(self._pending.values()):
                await self._say(unanswered)
        async with self._news:
            self._news.notify_all()

    async def _say(self, message: Message) -> None:
        if self._connection is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._connection.send(json.dumps(message))
