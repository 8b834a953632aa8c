"""A whole hub inside this process, asked as its server asks it: requests no HTTP library would send, and quickly.

A crash in the hub comes out here with its traceback, which no answer would show.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_from_bytes

from hub.app import Hub
from hub.settings import load_settings
from tests.support.nodes import SERVICE_KEY, Cluster

SECONDS = 10.0
HOST = b"127.0.0.1:8000"
Headers = list[tuple[bytes, bytes]]


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    def header(self, name: bytes) -> bytes:
        """One header, or nothing."""
        return next((value for known, value in self.headers if known == name), b"")


class Inside(logging.Handler):
    """The hub, its loop, and a session in it; as a log handler it hears what the hub did not expect."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(logging.ERROR)
        self._cluster, self._runner = cluster, asyncio.Runner()
        self.unexpected: list[str] = []
        self.token = self.sid = ""
        self.position = b""

    def emit(self, record: logging.LogRecord) -> None:
        self.unexpected.append(self.format(record))

    def start(self) -> None:
        """Start the hub."""
        flags = {"store_url": self._cluster.url_for_hubs, "keys.file": str(self._cluster.ring)}
        limits = {"limits.logins_per_minute": 0, "limits.messages_per_second": 0}
        settings = load_settings(
            self._cluster.folder / "hub.toml", {}, {**flags, **limits, "public_url": f"http://{HOST.decode()}"}
        )
        self._hub = Hub(settings)
        logging.getLogger().handlers[:] = [self]
        self._runner.run(self._start())
        self.log_in()

    async def _start(self) -> None:
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        started = asyncio.Event()

        async def send(message: Any) -> None:
            assert message["type"] == "lifespan.startup.complete" or started.is_set()
            started.set()

        self._inbox.put_nowait({"type": "lifespan.startup"})
        self._life = asyncio.ensure_future(self._hub({"type": "lifespan"}, self._inbox.get, send))
        waiting = asyncio.ensure_future(started.wait())
        await asyncio.wait({self._life, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert started.is_set(), self._life

    def stop(self) -> None:
        """Stop it."""
        self._runner.run(self._stop())
        self._runner.close()

    async def _stop(self) -> None:
        self._inbox.put_nowait({"type": "lifespan.shutdown"})
        await self._life

    def log_in(self) -> None:
        """A new session, since the last one may have been ended."""
        token = self._cluster.provider.token()
        answer = self.ask("POST", b"/v1/sessions", headers=[(b"authorization", f"Bearer {token}".encode())])
        assert answer.status == 201, answer.body
        said = json.loads(answer.body)
        self.token, self.sid, self.position = said["token"], said["sid"], said["position"].encode()

    def credential(self, who: str) -> Headers:
        """Headers that show who is calling."""
        match who:
            case "user":
                return [(b"authorization", f"Bearer {self.token}".encode())]
            case "browser":
                return [
                    (b"cookie", f"hub={self.token}".encode()),
                    (b"sec-fetch-site", b"same-origin"),
                    (b"x-hub-csrf", b"1"),
                ]
            case "service":
                return [(b"authorization", f"Bearer {SERVICE_KEY}".encode())]
            case _:
                return []

    def ask(
        self, method: str, path: bytes, query: bytes = b"", headers: Headers | None = None, body: bytes = b""
    ) -> Answer:
        """One request, to its end."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path.decode("utf-8", "replace"),
            "raw_path": quote_from_bytes(path).encode(),
            "query_string": query,
            "headers": [(b"host", HOST), (b"content-length", str(len(body)).encode()), *(headers or [])],
            "client": ("192.0.2.1", 4711),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        answer = self._runner.run(self._ask(scope, body))
        if self.unexpected:
            raise AssertionError(self.unexpected.pop())
        return answer

    async def _ask(self, scope: dict[str, Any], body: bytes) -> Answer:
        answer, messages = Answer(), [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message["headers"])
            else:
                answer.body += message.get("body", b"")

        await asyncio.wait_for(self._hub(scope, receive, send), SECONDS)
        return answer


@contextmanager
def inside(cluster: Cluster) -> Iterator[Inside]:
    """Started and stopped; logging is left as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    hub = Inside(cluster)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()
        root.handlers[:] = handlers
        root.setLevel(level)
