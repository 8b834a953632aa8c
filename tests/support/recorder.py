"""An app's server that keeps what it was sent to the byte, and adds to its answers whatever a test wants."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from dataclasses import dataclass, field

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Asked:
    """One request, read as the most forgiving of servers would: names as they came, values without outer blanks."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def target(self) -> str:
        """The request target."""
        return self.line.split(" ")[1]

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def one(self, name: str) -> str:
        """The value of a header that came exactly once."""
        values = self.all(name)
        assert len(values) == 1, f"{name} came {len(values)} times"
        return values[0]


@dataclass
class Recorder:
    """Started by ``with``. ``asked`` holds the whole requests in the order in which they came, ``raw`` all bytes."""

    more: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)

    def __enter__(self) -> Recorder:
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """Begin anew."""
        self.asked.clear()
        self.raw.clear()
        self.more.clear()

    @property
    def last(self) -> Asked:
        """The latest request."""
        return self.asked[-1]

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        recorder = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):
                    while recorder._serve_one(self):
                        pass

        return Handler

    def _serve_one(self, handler: socketserver.StreamRequestHandler) -> bool:
        head = b""
        while not head.endswith(_HEAD_END):
            line = handler.rfile.readline()
            if not line:
                return False
            head += line
            self.raw += line
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        parted = [line.partition(":") for line in lines]
        headers = [(name, value.strip()) for name, _, value in parted]
        body = self._body(handler, {name.lower(): value for name, value in headers})
        self.asked.append(Asked(first, headers, body))
        handler.wfile.write(self._answer())
        return True

    def _body(self, handler: socketserver.StreamRequestHandler, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(_line(handler), 16):
                body += handler.rfile.read(size)
                _line(handler)
            _line(handler)
        else:
            body = handler.rfile.read(int(headers.get("content-length") or 0))
        self.raw += body
        return body

    def _answer(self) -> bytes:
        body = json.dumps({"asked": len(self.asked)}).encode()
        lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}", *self.more]
        return ("\r\n".join(lines)).encode("latin-1") + _HEAD_END + body


def _line(handler: socketserver.StreamRequestHandler) -> bytes:
    """The next one. Raises ``ConnectionError`` if the request was broken off."""
    line = handler.rfile.readline()
    if not line:
        raise ConnectionError
    return line


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
