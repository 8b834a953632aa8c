"""Targets that are bytes on the wire: HTTP as it should not be, and WebSocket frames, to a node of their own."""

from __future__ import annotations

import json
import re
import socket
import uuid
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from hub.cli.server import LARGEST_FRAME_BYTES
from tests.fuzz.inputs import json_like, mutated
from tests.fuzz.pure import COMMIT_ID
from tests.fuzz.targets import Target
from tests.support.nodes import Node
from tests.support.raw import get
from tests.support.tabs import Opened, bearer

SECONDS = 10.0
CLOSES = {4502, 1007, 1009, 1002}
"""Bad message; and what the protocol itself says of bad text, of too much, and of a broken frame (RFC 6455 §7.4.1)."""


def _is_frame(data: bytes, *, is_text: bool) -> bool:
    """Whether it is a frame to the server at all; else that hangs up at once, and who goes on sending may miss why."""
    if len(data) > LARGEST_FRAME_BYTES:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return not is_text
    return True


_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Wire:
    """Both targets, for one session at one node."""

    def __init__(self, node: Node, opened: Opened) -> None:
        self._node, self._opened = node, opened
        self._socket: ClientConnection | None = None
        self._open = ExitStack()

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def http(self, data: bytes) -> None:
        """One connection: every answer on it is a known one below 500, then it is closed, and the node is well."""
        said = self._talk(data)
        statuses = [int(found) for found in _STATUS.findall(said)]
        assert said == b"" or said.startswith(b"HTTP/1.1 "), said[:200]
        assert all(status < 500 or (status in (502, 503) and b"/apps/" in data) for status in statuses), said
        assert b"Traceback" not in said
        well = self._talk(get(self._node, "/healthz", "Connection: close"))
        assert well.startswith(b"HTTP/1.1 200 "), well

    def _talk(self, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._node.port), SECONDS) as connection:
            said = bytearray()
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    said += part
            except (ConnectionResetError, BrokenPipeError):
                pass  # it hung up on what it did not want to read to the end
            return bytes(said)

    def frames(self, frames: list[tuple[bytes, bool]]) -> None:
        """Any frames of a tab: each is answered or ignored, or the connection is closed for a reason that is named."""
        tab = self._tab()
        try:
            for data, is_text in frames:
                tab.send(data, text=is_text)
            marker = uuid.uuid4().hex
            tab.send(json.dumps({"type": "commit", "id": marker, "patch": {}}))
            while self._heard(tab).get("id") != marker:
                pass
        except ConnectionClosed as closed:
            self._socket = None
            is_said = closed.rcvd is not None and closed.rcvd.code in CLOSES
            if not is_said and all(_is_frame(data, is_text=is_text) for data, is_text in frames):
                raise AssertionError(f"closed, and not for what was sent: {closed}") from closed

    def _tab(self) -> ClientConnection:
        if self._socket is None:
            url = f"{self._node.ws_url}/v1/sessions/me/live"
            headers = bearer(self._opened.token)
            protocols = [Subprotocol("hub.v1")]
            connecting = connect(
                url,
                additional_headers=headers,
                subprotocols=protocols,
                compression=None,
                ping_interval=None,
                proxy=None,
            )
            self._open.close()
            self._socket = self._open.enter_context(connecting)
            while self._heard(self._socket)["type"] != "live":
                pass
        return self._socket

    def _heard(self, tab: ClientConnection) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(tab.recv(SECONDS))
        if message["type"] == "rejected":
            assert message["problem"]["status"] < 500, message
        return message

    def targets(self) -> list[Target]:
        """Both."""
        show = f"Authorization: Bearer {self._opened.token}"
        body = b'{"profile":{"a":1}}'
        lines = ["Content-Type: application/merge-patch+json", f"Content-Length: {len(body)}", show]
        chunked = ["Content-Type: application/merge-patch+json", "Transfer-Encoding: chunked", show]
        path = "/v1/sessions/me/document"
        seeds = [
            get(self._node, path, show, 'If-None-Match: "1.00000000"'),
            get(self._node, path, *lines, "Idempotency-Key: a-key", method="PATCH") + body,
            get(self._node, path, *chunked, method="PATCH") + b"13\r\n" + body + b"\r\n0\r\n\r\n",
            get(self._node, "/auth/login?return_to=/x", "Cookie: hub=x; a=b", "X-Forwarded-For: 1.2.3.4",
            "Origin: null"),
            get(self._node, "/apps/a/x", f"Cookie: hub={self._opened.token}", "Connection: close, x-hub-user"),
            get(self._node, "/v1/sessions", "Authorization: Bearer a.b.c", "Content-Length: 0", method="POST"),
            get(self._node, f"{path[:-9]}/live", show, "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: hub.v1"),
        ]  # fmt: skip
        commit = {"type": "commit", "id": COMMIT_ID, "patch": {"profile": {"a": 1}}, "if_position": "1.00000000"}
        frame = json_like(
            commit, {"type": "commit", "id": COMMIT_ID, "ops": []}, {"type": "activity"}, {"type": "ping"}
        )
        return [
            Target("HTTP on the wire", mutated(seeds), self.http, is_remote=True),
            Target(
                "frames of a tab", st.lists(st.tuples(frame, st.booleans()), max_size=5), self.frames, is_remote=True
            ),
        ]
