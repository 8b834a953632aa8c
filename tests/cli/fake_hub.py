"""A hub that answers from a script: what the command line's HTTP and WebSocket clients are tested against."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from websockets.sync.server import ServerConnection, serve

KEY = "hub_sk_billing_secret"


@dataclass
class Answer:
    """One scripted answer; ``raw`` instead of JSON where given."""

    status: int = 200
    body: object = None
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeHub:
    """What was asked, and what will be answered, in order."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)


def _handler(fake: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fake.asked.append((self.command, self.path, json.loads(body) if body else None))
            fake.keys.add(self.headers.get("Authorization"))
            answer = fake.answers.pop(0)
            data = (
                answer.raw
                if answer.raw is not None
                else b""
                if answer.body is None
                else json.dumps(answer.body).encode()
            )
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_DELETE = _answer  # noqa: N815  # names of http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Silent."""

    return Handler


@contextmanager
def http_hub(*answers: Answer) -> Iterator[FakeHub]:
    """A hub over HTTP that gives these answers."""
    fake = FakeHub(answers=list(answers))
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake)) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def live_hub(*connections: Callable[[ServerConnection], None]) -> Iterator[FakeHub]:
    """A hub over WebSocket; each connection is handled by the next of ``connections``."""
    fake, scripts = FakeHub(), list(connections)

    def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        fake.asked.append(("LIVE", connection.request.path, connection.subprotocol))
        fake.keys.add(connection.request.headers.get("Authorization"))
        scripts.pop(0)(connection)

    with serve(handle, "127.0.0.1", 0, subprotocols=["hub.v1"]) as server:  # type: ignore[list-item]
        fake.url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
