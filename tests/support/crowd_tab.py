"""A tab that costs its process next to nothing: WebSocket (RFC 6455) by hand, one object, no task while it is open.

It keeps a copy as the protocol says and comes back as the client does: full jitter in a window that doubles from 0.2 s
to 20 s, begins anew after 5 s live, and is the one named by a close with 4001. It notes what does not fit.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import orjson

from hub.core.document import apply

FIRST_WINDOW_SECONDS, LAST_WINDOW_SECONDS = 0.2, 20.0
STEADY_SECONDS = 5.0
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
MOST_COMPLAINTS = 20


class Crowded:
    """What all tabs of a process share: where they connect to, and what happened."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.counts: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.live = 0
        self.on_live: Callable[[], None] = lambda: None

    def complain(self, what: str) -> None:
        """Something did not fit."""
        self.counts["violations"] += 1
        if len(self.complaints) < MOST_COMPLAINTS:
            self.complaints.append(what)


class Tab(asyncio.Protocol):
    """One tab over all its connections."""

    def __init__(self, crowd: Crowded, token: str) -> None:
        self._crowd, self._token = crowd, token
        self.position, self.view, self.document = "", "", cast("Any", None)
        self.live_at: float | None = None  # since when it is live now
        self.code, self._reason, self.is_over = 0, "", False
        self._failures, self._buffer, self._is_open = 0, b"", False
        self._transport: asyncio.Transport | None = None

    # coming and going

    async def come(self) -> None:
        """One attempt. A node that does not listen is passed over, as a load balancer would."""
        loop = asyncio.get_running_loop()
        self._buffer, self._is_open, self.code, self._reason = b"", False, 1006, ""
        for port in self._crowd.ports:
            self._crowd.counts["attempts"] += 1
            self._port = port
            try:
                await loop.create_connection(lambda: self, "127.0.0.1", port)
            except OSError:
                self._crowd.counts["unreachable"] += 1
            else:
                return
        self._come_again()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        query = f"?position={self.position}&view={self.view}" if self.position else ""
        lines = (
            f"GET /v1/sessions/me/live{query} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: hub.v1",
            f"Authorization: Bearer {self._token}",
        )
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self.live_at is not None:
            self._crowd.live -= 1
            if asyncio.get_running_loop().time() - self.live_at >= STEADY_SECONDS:
                self._failures = 0
            self.live_at = None
        self._crowd.counts[f"closed {self.code}"] += 1
        self.is_over = self.is_over or self.code >= 4500
        if not self.is_over:
            self._come_again()

    def _come_again(self) -> None:
        window = min(LAST_WINDOW_SECONDS, FIRST_WINDOW_SECONDS * 2**self._failures)
        if self.code == 4001:
            window = int(self._reason) / 1000
        else:
            self._failures += 1
        loop = asyncio.get_running_loop()
        loop.call_later(random.random() * window, lambda: loop.create_task(self.come()))

    def leave(self) -> None:
        """For good."""
        self.is_over = True
        if self._transport is not None:
            self._transport.abort()

    # frames

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._crowd.counts[f"refused {head[9:12].decode()}"] += 1
                return  # the node hangs up
            self._is_open, self._buffer = True, rest
        while (frame := self._frame()) is not None:
            self._take(*frame)

    def _frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 0x7F, 2
        if length == 126:
            length, start = (struct.unpack_from("!H", buffer, 2)[0] if len(buffer) >= 4 else 2**32), 4
        elif length == 127:
            length, start = (struct.unpack_from("!Q", buffer, 2)[0] if len(buffer) >= 10 else 2**32), 10
        if len(buffer) < start + length:
            return None
        self._buffer = buffer[start + length :]
        return buffer[0] & 0x0F, buffer[start : start + length]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self._hear(orjson.loads(payload))
        elif opcode == PING:
            self._send(PONG, payload)
        elif opcode == CLOSE:
            self.code, self._reason = struct.unpack_from("!H", payload)[0], payload[2:].decode()
            self._send(CLOSE, payload[:2])

    def _send(self, opcode: int, payload: bytes) -> None:
        if self._transport is not None:  # a mask of zeros is a mask
            self._transport.write(bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload)

    def _hear(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        self._crowd.counts[kind] += 1
        match kind:
            case "snapshot":
                self.document, self.position, self.view = message["document"], message["position"], message["view"]
            case "change":
                if message["base"] != self.position:
                    self._crowd.complain(f"{message['base']} does not continue {self.position}")
                self.document, self.position = apply(self.document, message["ops"]), message["position"]
            case "live":
                if message["position"] != self.position:
                    self._crowd.complain(f"live at {message['position']}, the copy is at {self.position}")
                self._went_live()
            case "ended":
                self.is_over = True

    def _went_live(self) -> None:
        if self.live_at is None:
            self.live_at = asyncio.get_running_loop().time()
            self._crowd.live += 1
            self._crowd.on_live()

    def copy(self) -> tuple[str, str]:
        """Where the copy stands, and a digest of what it shows."""
        return self.position, digest(self.document)


def digest(document: Any) -> str:
    """Equal for equal documents."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
