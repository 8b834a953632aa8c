"""uvicorn, with the hub's own way of starting and stopping.

Starting: an application that cannot start is an error with its reason, not a log record and exit code 3. Stopping: on
SIGTERM or SIGINT the application is told first (``app.state.begin_drain()``), which closes live connections with 4001;
plain uvicorn would send every tab 1012. The process then exits with 0, within 30 seconds.
"""

import asyncio
import inspect
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any, Protocol

import uvicorn
from uvicorn.lifespan.on import LifespanOn, LifespanSendMessage

from hub.cli import CommandError
from hub.cli.http_protocol import HttpProtocol, WebSocketProtocol
from hub.cli.listen import BACKLOG
from hub.cli.metrics import Beside
from hub.errors import ConfigurationError

DRAIN_SECONDS = 22.0
CLOSE_SECONDS = 4
LAST_REQUEST_SECONDS = 1.0  # for what a proxy is just writing into a connection that was idle
LIFESPAN_SECONDS = 3.0
PING_SECONDS = 20.0  # a peer that went to sleep or lost its network says nothing: it is asked now and then
PONG_SECONDS = 10.0
LARGEST_FRAME_BYTES = 128 * 1024

Tls = tuple[str, str | None]


class Application(Protocol):
    """An ASGI application that can be told to drain, by ``state.begin_drain()`` (plain or async), and may make upgrades
    wait, by ``state.enter`` (``hub.core.arriving``)."""

    state: Any

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]: ...


class Lifespan(LifespanOn):
    """Start and stop of the application; keeps the reason when it could not start."""

    failure: BaseException | None = None

    async def startup(self) -> None:
        self._running = asyncio.create_task(self.main())
        await self.receive_queue.put({"type": "lifespan.startup"})
        await self.startup_event.wait()
        self.should_exit = self.startup_failed or self.error_occurred

    async def main(self) -> None:
        version = {"version": self.config.asgi_version, "spec_version": "2.0"}
        try:
            scope = {"type": "lifespan", "asgi": version, "state": self.state}
            await self.config.loaded_app(scope, self.receive, self.send)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the reason; raised again by Server.startup
            self.failure, self.error_occurred = error, True
        finally:
            self.startup_event.set()
            self.shutdown_event.set()

    async def shutdown(self) -> None:
        try:
            await asyncio.wait_for(super().shutdown(), LIFESPAN_SECONDS)
        except TimeoutError:
            self.logger.warning("the application did not stop in %s s", LIFESPAN_SECONDS)

    async def send(self, message: LifespanSendMessage) -> None:
        if message["type"] == "lifespan.startup.failed":
            self.startup_failed = True
            self.startup_event.set()
        else:
            await super().send(message)


class Server(uvicorn.Server):
    """Serves ``application`` until a signal, drains, and returns. ``beside`` runs from its start to its very end."""

    def __init__(
        self,
        config: uvicorn.Config,
        application: Application,
        on_ready: Callable[[], None],
        beside: Beside | None = None,
    ) -> None:
        super().__init__(config)
        self._application = application
        self._on_ready, self._beside = on_ready, beside

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            raise self._reason() from None
        if self._beside is not None:
            await self._beside.start()
        self._on_ready()

    def _reason(self) -> Exception:
        failure = getattr(self.lifespan, "failure", None)
        if isinstance(failure, ConfigurationError | CommandError):
            return failure
        if failure is None:
            return CommandError("the hub could not start")
        self.lifespan.logger.debug("the application could not start", exc_info=failure)
        where = "HUB_LOG_LEVEL=debug shows where"
        return CommandError(f"the hub could not start: {type(failure).__name__}: {failure} ({where})")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: drain and leave. Second one from the keyboard: leave now."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.sleep(0)  # takes in who has connected already: closing the port would cut them off
        for server in self.servers:
            server.close()
        told = self._application.state.begin_drain()
        if inspect.isawaitable(told):
            await told
        began = time.monotonic()
        # uvicorn keeps a set of connections, not an event for its last one
        while self.server_state.connections and time.monotonic() - began < DRAIN_SECONDS and not self.force_exit:
            is_patient = time.monotonic() - began < LAST_REQUEST_SECONDS
            for connection in list(self.server_state.connections):
                if isinstance(connection, HttpProtocol):  # live ones are the application's to close
                    connection.leave(at_once=not is_patient)
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)
        if self._beside is not None:
            await self._beside.stop()


def make_config(application: Application, tls: Tls | None) -> uvicorn.Config:
    """The one way the hub configures uvicorn; :class:`ConfigurationError` for certificates that cannot be used."""
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=HttpProtocol,
        ws=WebSocketProtocol,
        backlog=BACKLOG,
        ws_max_size=LARGEST_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=CLOSE_SECONDS,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or "cannot be used"
        raise ConfigurationError(
            f"{error.filename or (tls[0] if tls else 'TLS')}: no usable certificate and key ({reason})"
        ) from None
    config.lifespan_class = Lifespan
    return config
