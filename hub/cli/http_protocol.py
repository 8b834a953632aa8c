"""uvicorn's HTTP/1.1 parser, with the hub's own refusals: a problem where no request can be read, and an end to
headers that do not end (what the application measures, it measures only once a whole header section has come).

An upgrade that the application makes wait (``hub.core.arriving``) waits here, as a request that was read and no more.
"""

import secrets
from asyncio.transports import BaseTransport, Transport
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from hub.cli.files import most_for_callers
from hub.cli.pacing import Pace
from hub.core.arriving import OPENING, Arrival, Enter
from hub.core.json import dumps
from hub.core.limits import MAX_HEADER_BYTES
from hub.errors import HeadersTooLarge, HubError, Malformed, Overloaded

FIRST_REQUESTS = Pace(16)  # of connections, read in one turn of the loop
LONGEST_UNREAD_HEAD = 4 * MAX_HEADER_BYTES  # beyond it nobody waits for the end; before it the application answers


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0
    _is_in_head = True
    _is_leaving = False
    _is_waiting = False
    _is_new = True
    _unread = b""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast("Transport", transport))
        if self.transport.get_extra_info("socket").fileno() >= most_for_callers():
            self._refuse(Overloaded("This node has too many connections"))

    def on_message_begin(self) -> None:
        self._head_bytes, self._is_in_head = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._check_framing()
        self._check_target()
        super().on_headers_complete()
        if self._is_leaving and self._is_answering:  # an upgrade is answered elsewhere
            self.cycle.keep_alive = False

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def leave(self, *, at_once: bool) -> None:
        """Hang up after the answer that is due; where none is, ``at_once`` or after one more request."""
        self._is_leaving = True
        if at_once or self._is_answering:
            self.shutdown()

    def _check_framing(self) -> None:
        """Refuse a body that another server might see end elsewhere (RFC 9112 §6.1); the parser then hangs up."""
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings and (codings != [b"chunked"] or self.parser.get_http_version() != "1.1"):
            raise ValueError("Transfer-Encoding may only be chunked, in HTTP/1.1")

    def _check_target(self) -> None:
        """Refuse a fragment (RFC 9112 §3.2 has none): one server drops it, the next takes it for a part of the path."""
        if b"#" in self.url:
            raise ValueError("a request target has no fragment")

    def handle_websocket_upgrade(self) -> None:
        application: Any = self.config.app
        enter: Enter | None = getattr(application.state, "enter", None)
        arriving = None if enter is None else enter(self.url)
        if arriving is None:
            super().handle_websocket_upgrade()
            return
        self._is_waiting = True
        task = self.loop.create_task(self._upgrade_in_turn(arriving))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _upgrade_in_turn(self, arriving: Awaitable[Arrival]) -> None:
        try:
            arrival = await arriving
        except HubError as error:
            if not self.transport.is_closing():
                self._refuse(error)
            return
        if self.transport.is_closing():
            arrival.over()
            return
        self.app_state = {**self.app_state, OPENING: arrival}
        super().handle_websocket_upgrade()
        del self.parser  # they refer to each other, and both have served

    def data_received(self, data: bytes) -> None:
        if self._is_new:
            self._is_new = False
            if not FIRST_REQUESTS.may_begin():
                self._unread = data
                FIRST_REQUESTS.later(self._read_late)
                return
        if self._unread:
            self._unread += data
            return
        self._read(data)

    def _read_late(self) -> None:
        data, self._unread = self._unread, b""
        if not self.transport.is_closing():
            self._read(data)

    def _read(self, data: bytes) -> None:
        if self._is_waiting:  # nobody may speak before the upgrade is answered (RFC 6455 §4.1)
            self.transport.abort()
            return
        super().data_received(data)
        if self._is_in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_UNREAD_HEAD:
                self._refuse(HeadersTooLarge(limit_bytes=MAX_HEADER_BYTES))

    def send_400_response(self, msg: str) -> None:
        self._refuse(Malformed("This is no HTTP/1.1 request"))

    def _refuse(self, error: HubError) -> None:
        """Answer with the problem and hang up: where the next request would begin is not known."""
        request_id, status = secrets.token_hex(8), HTTPStatus(error.status)
        body = dumps(error.to_problem() | {"request_id": request_id})
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            "content-type: application/problem+json",
            "cache-control: no-store",
            f"x-request-id: {request_id}",
            "x-hub-response: 1",
            f"content-length: {len(body)}",
            "connection: close",
            *(f"{name.lower()}: {value}" for name, value in error.headers().items()),
        ]
        self.transport.write("\r\n".join([*lines, "", ""]).encode("ascii") + body)
        self.transport.close()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket; whatever becomes of it, its turn is given back."""

    def start_keepalive(self) -> None:
        """Called when the upgrade is answered: what was read and said for it is no longer needed, for hours perhaps."""
        super().start_keepalive()
        del self.request, self.response

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        arrival: Arrival | None = self.app_state.get(OPENING)
        if arrival is not None:
            arrival.over()
