"""A provider's HTTP server for tests: real sockets, answers one can change, and a count of every request."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl


@dataclass
class Answer:
    """One answer. ``body`` is JSON unless it is bytes."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    held: threading.Event | None = None  # answered when this is set


Answers = Answer | Callable[[dict[str, str], dict[str, str]], Answer]


class Server:
    """Started by ``with``. ``answers`` by path: an ``Answer``, or a function of form and headers."""

    def __init__(self) -> None:
        self.answers: dict[str, Answers] = {}
        self.requests: Counter[str] = Counter()
        self.arrived = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer({})

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                self.answer(dict(parse_qsl(self.rfile.read(length).decode())))

            def answer(self, form: dict[str, str]) -> None:
                path = self.path.partition("?")[0]
                owner.requests[path] += 1
                owner.arrived.set()
                found = owner.answers.get(path, Answer({"error": "nothing here"}, 404))
                if not isinstance(found, Answer):
                    found = found(form, {name.lower(): value for name, value in self.headers.items()})
                if found.held is not None:
                    found.held.wait(10)
                body = found.body if isinstance(found.body, bytes) else json.dumps(found.body).encode()
                self.send_response(found.status)
                for name, value in {"Content-Length": str(len(body)), **found.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing: tests count requests instead."""

        return Handler


def publish(server: Server, *keys: dict[str, Any], **metadata: Any) -> None:
    """Let ``server`` be a provider that publishes ``keys``; ``metadata`` replaces members of its discovery document."""
    said = {
        "issuer": server.url,
        "authorization_endpoint": f"{server.url}/authorize",
        "token_endpoint": f"{server.url}/token",
        "jwks_uri": f"{server.url}/keys",
        "end_session_endpoint": f"{server.url}/end",
        "authorization_response_iss_parameter_supported": True,
        **metadata,
    }
    server.answers["/.well-known/openid-configuration"] = Answer(
        {name: value for name, value in said.items() if value is not None}
    )
    server.answers["/keys"] = Answer({"keys": list(keys)})
