"""The metrics listener: ``GET /metrics`` on an address of its own (``metrics_bind``), and nowhere else.

A node alone has its own. With workers the parent has it, and the workers write down what they count for it every
second. Either way it answers from the event loop of its process: one that is stuck is not scraped, which is the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import uvicorn

from hub.cli import CommandError
from hub.cli.listen import listen, url_of
from hub.errors import ConfigurationError
from hub.telemetry import metrics_export

FLUSH_SECONDS = 1.0
STOP_SECONDS = 1
MOST_SCRAPERS = 32


class Beside(Protocol):
    """What runs beside a server, in its event loop, from its start to its very end."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


@contextlib.contextmanager
def metrics_socket(bind: str) -> Iterator[socket.socket | None]:
    """The socket of ``metrics_bind``, or none. :class:`ConfigurationError` if the address cannot be had."""
    if not bind:
        yield None
        return
    try:
        listener = listen(bind)
    except CommandError as error:
        raise ConfigurationError(
            f"metrics_bind: {error}. If that is another hub, give this one an address of its own: "
            'HUB_METRICS_BIND=127.0.0.1:0 takes a free port, HUB_METRICS_BIND="" goes without metrics'
        ) from None
    with listener:
        yield listener


def metrics_url(listener: socket.socket) -> str:
    """What Prometheus is to scrape."""
    return url_of(listener, tls=False) + metrics_export.PATH


class _Server(uvicorn.Server):
    """One that leaves signals to the server beside which it runs."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listener:
    """Answers scrapes on a bound socket."""

    def __init__(self, endpoint: metrics_export.Endpoint, bound: socket.socket) -> None:
        self._bound = bound
        config = uvicorn.Config(
            endpoint,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MOST_SCRAPERS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._bound]))

    async def stop(self) -> None:
        """End."""
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving


class Alone:
    """The listener of a node that is alone. The node is built before, so that all names for labels are known."""

    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound
        self._listener: Listener | None = None

    async def start(self) -> None:
        """Answer scrapes."""
        self._listener = Listener(metrics_export.of_one_process(), self._bound)
        await self._listener.start()

    async def stop(self) -> None:
        """Answer no more."""
        if self._listener is not None:
            await self._listener.stop()


class Flusher:
    """Writes down, for the parent, what this worker counted. The node is built before, as above."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._number = folder, number
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._exporter = metrics_export.of_a_worker(self._folder, self._number)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, with what was counted last."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._exporter.flush()

    async def _run(self) -> None:
        while True:
            self._exporter.flush()
            await asyncio.sleep(FLUSH_SECONDS)


class Shared:
    """The parent's side: the folder its workers write into, and the listener that reads it."""

    def __init__(self, folder: Path, bound: socket.socket) -> None:
        self._folder, self._bound = folder, bound
        self._listener: Listener | None = None

    def options(self, number: int) -> list[str]:
        """What a worker is told."""
        return ["--metrics-dir", str(self._folder), "--number", str(number)]

    def forget(self, number: int) -> None:
        """A worker has stopped."""
        metrics_export.forget_worker(self._folder, number)

    async def start(self, pids: Callable[[], Mapping[str, int]]) -> None:
        """Answer scrapes; ``pids``: the processes there are, by name."""
        self._listener = Listener(metrics_export.of_a_parent(self._folder, pids), self._bound)
        await self._listener.start()

    async def stop(self) -> None:
        """Answer no more."""
        if self._listener is not None:
            await self._listener.stop()


@contextlib.contextmanager
def shared(bound: socket.socket | None) -> Iterator[Shared | None]:
    """What workers share for their metrics; its folder is the parent's own, empty at first and gone at last."""
    if bound is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="hub-metrics-", ignore_cleanup_errors=True) as folder:
        yield Shared(Path(folder), bound)
