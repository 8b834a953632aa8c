"""``hub serve --workers N``: the parent owns what there is only one of, and keeps N nodes running.

The parent binds the port, runs the embedded store and answers scrapes; the children get the socket by descriptor and
everything else as ordinary settings in their environment. Each child also holds one end of a link: it says on it that
it accepts, and drains when the link breaks, so that no child outlives its parent.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli import CommandError
from hub.cli.metrics import Shared, shared
from hub.cli.output import note
from hub.errors import ConfigurationError
from hub.settings import Settings
from hub.telemetry import metrics

if TYPE_CHECKING:
    from hub.cli.serve import Serving

STOP_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 10.0
CONFIGURATION = 2


def run_workers(
    settings: Settings,
    path: Path | None,
    asked: "Serving",
    listener: socket.socket,
    for_metrics: socket.socket | None,
    on_ready: Callable[[], None],
) -> None:
    """Run ``asked.workers`` nodes until a signal says to stop."""
    with _store_for(settings) as store, shared(for_metrics) as metering:
        environment = {**os.environ, **store, "HUB_BIND": settings.bind}
        command = [sys.executable, "-m", "hub", "worker", "--socket-fd", str(listener.fileno())]
        if path is not None:
            command += ["--config", str(path)]
        if asked.tls:
            command += ["--ssl-certfile", asked.tls[0], *(["--ssl-keyfile", asked.tls[1]] if asked.tls[1] else [])]
        asyncio.run(Workers(command, environment, listener, on_ready, metering).run(asked.workers))


@contextlib.contextmanager
def _store_for(settings: Settings) -> Iterator[dict[str, str]]:
    """The embedded store, running, as settings for the children; nothing where the store is elsewhere."""
    if settings.store_url != "embedded":
        yield {}
        return
    from hub.store.embedded import EmbeddedStore
    from hub.store.keyring import KeyRing

    ring = settings.key_ring_file
    KeyRing.load(ring) if settings.keys.file else KeyRing.load_or_create(ring)
    store = EmbeddedStore(settings.data_dir)
    url = store.start()
    try:
        yield {"HUB_STORE_URL": url, "HUB_KEYS__FILE": str(ring)}
    finally:
        store.stop()


class Workers:
    """N children on one socket: restarted when they die, told when to stop."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        listener: socket.socket,
        on_ready: Callable[[], None],
        metering: Shared | None = None,
    ) -> None:
        self._command = command
        self._metering = metering
        self._environment = environment
        self._listener = listener
        self._on_ready: Callable[[], None] | None = on_ready
        self._stopping = asyncio.Event()
        self._running: dict[int, asyncio.subprocess.Process] = {}  # by the number of their place
        self._refused = False

    async def run(self, count: int) -> None:
        """Until a signal, or until a child finds the configuration wrong."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        if self._metering is not None:
            await self._metering.start(self.pids)
        keepers = [asyncio.create_task(self._keep(number)) for number in range(1, count + 1)]
        await self._stopping.wait()
        for process in self._running.values():
            process.terminate()
        _, late = await asyncio.wait(keepers, timeout=STOP_SECONDS - 1)
        if self._metering is not None:
            await self._metering.stop()
        for process in list(self._running.values()):
            process.kill()
        if late:
            await asyncio.wait(late)
            raise CommandError(f"{len(late)} of {count} workers did not stop in time and were killed")
        if self._refused:
            raise ConfigurationError("the workers refused to start with this configuration")

    def pids(self) -> Mapping[str, int]:
        """The processes there are: the parent, and the children by number."""
        return {"parent": os.getpid(), **{str(number): process.pid for number, process in self._running.items()}}

    async def _keep(self, number: int) -> None:
        """Keep one child running; the pause before a restart doubles while it dies young."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            started = loop.time()
            code = await self._run_one(number)
            if self._stopping.is_set():
                return
            if code == CONFIGURATION:
                self._refused = True
                self._stopping.set()
                return
            pause = FIRST_PAUSE_SECONDS if loop.time() - started > STEADY_SECONDS else pause
            note(f"a worker stopped ({_how(code)}); another one starts")
            metrics.RESTARTS.add()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _run_one(self, number: int) -> int:
        """Start a child and wait for its end; its exit code."""
        measured = self._metering.options(number) if self._metering is not None else []
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours:
            with theirs:
                descriptors = (self._listener.fileno(), theirs.fileno())
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    "--link-fd",
                    str(theirs.fileno()),
                    *measured,
                    env=self._environment,
                    pass_fds=descriptors,
                    start_new_session=True,  # Ctrl-C reaches the parent alone, which passes it on once
                )
            self._running[number] = process
            if self._stopping.is_set():
                process.terminate()
            hearing = asyncio.create_task(self._hear(ours))
            code = await process.wait()
            del self._running[number]
            if self._metering is not None:
                self._metering.forget(number)
            await hearing
        return code

    async def _hear(self, link: socket.socket) -> None:
        """The first child that accepts connections makes the whole ready."""
        with contextlib.suppress(OSError):
            said = await asyncio.get_running_loop().sock_recv(link, 1)
            if said and self._on_ready is not None:
                ready, self._on_ready = self._on_ready, None
                ready()


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
