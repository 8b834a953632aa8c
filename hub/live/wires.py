"""How messages look on each kind of connection: WebSocket text frames, or server-sent events."""

from __future__ import annotations

from typing import Protocol

from hub.core.access import View
from hub.core.change import Change
from hub.core.json import dumps
from hub.protocol import messages
from hub.protocol.messages import Message


class Wire(Protocol):
    """An encoding."""

    name: str

    def encode(self, message: Message, view: View) -> bytes:
        """The bytes of one message."""


class WebSocketWire:
    """One JSON text a frame."""

    name = "websocket"

    def encode(self, message: Message, view: View) -> bytes:
        return dumps(message)


class EventStreamWire:
    """Server-sent events (WHATWG HTML §9.2): ``event`` is the type, ``id`` is ``position/view``."""

    name = "events"

    def encode(self, message: Message, view: View) -> bytes:
        head = f"event: {message['type']}\n"
        if "position" in message and message["type"] in ("snapshot", "change", "live"):
            head += f"id: {message['position']}/{view.name}\n"
        return head.encode() + b"data: " + dumps(message) + b"\n\n"


WEBSOCKET = WebSocketWire()
EVENT_STREAM = EventStreamWire()


class Outgoing:
    """A change on its way to many connections: encoded once per wire, view and authorship."""

    __slots__ = ("_encoded", "change")

    def __init__(self, change: Change) -> None:
        self.change = change
        self._encoded: dict[tuple[str, str, bool], bytes] = {}

    def frame(self, wire: Wire, view: View, is_own: bool) -> bytes:
        """The bytes for one connection."""
        key = (wire.name, view.name, is_own)
        frame = self._encoded.get(key)
        if frame is None:
            frame = wire.encode(messages.change(self.change, view, is_own), view)
            self._encoded[key] = frame
        return frame
