"""The store under the suite: the embedded Valkey, or what ``HUB_TEST_STORE`` names.

``redis`` is a ``redis-server`` from the path; ``sentinel`` and ``redis-sentinel`` are either of them with a replica,
and a sentinel that nodes are told of instead; ``cluster`` and ``redis-cluster`` are a cluster of one server, which
serves all slots and refuses what crosses them (``store/test_cluster*.py`` have three with a replica each). All have the
interface, files, options and end of the embedded store, so tests stop, kill, freeze and restart each of them, and no
sentinel takes that for a reason to promote (that it does is what ``faults/test_failover.py`` is about).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import IO, Any

from redis import Redis

from hub.store.embedded import EmbeddedStore, _die_with_parent
from hub.store.slots import SLOTS
from tests.support.ports import free_port, is_open
from tests.support.waiting import becomes

PATIENCE_MS = 3_600_000
START_SECONDS = 10.0
NAME = "main"


class Served(EmbeddedStore):
    """The embedded store as it is. ``start`` says where a test finds it, ``url_for_hubs`` where nodes do."""

    def url_for_hubs(self, url: str) -> str:
        """``url`` is what ``start`` answered."""
        return url

    def close(self) -> None:
        """Stop it, to be started no more."""
        self.stop()


class RedisServer(Served):
    """The same with another program: what differs afterwards is the server's doing alone."""

    def _command(self) -> list[str]:
        redis = shutil.which("redis-server")
        if redis is None:
            raise FileNotFoundError("no redis-server on the path (apt install redis-server)")
        return [redis, "-"]


class Watched(Served):
    """The same with a port, one replica, and one sentinel."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self._port, self._sentinel_port = free_port(), free_port()
        self._others: list[subprocess.Popen[bytes]] = []

    def _command(self) -> list[str]:
        return [
            *super()._command(),
            "--port",
            str(self._port),
            "--bind",
            "127.0.0.1",
            "--repl-diskless-sync-delay",
            "0",
        ]

    def url_for_hubs(self, url: str) -> str:
        return f"redis+sentinel://127.0.0.1:{self._sentinel_port}/{NAME}"

    def start(self) -> str:
        url = super().start()
        if not self._others:
            replica, sentinel = (self._directory / each for each in ("replica", "sentinel"))
            at = f"127.0.0.1 {self._port}"
            self._run(replica, f"port {free_port()}", f"replicaof {at}", 'save ""')
            self._run(
                sentinel,
                f"port {self._sentinel_port}",
                f"sentinel monitor {NAME} {at} 1",
                f"sentinel down-after-milliseconds {NAME} {PATIENCE_MS}",
                options=["--sentinel"],
            )
            assert becomes(lambda: is_open(self._sentinel_port), START_SECONDS)
        return url

    def _run(self, folder: Path, *lines: str, options: list[str] | None = None) -> None:
        folder.mkdir()
        file = folder / "server.conf"
        file.write_text("\n".join([f"dir {folder}", "bind 127.0.0.1", "protected-mode no", *lines]) + "\n")
        log: IO[bytes]
        with (folder / "log").open("ab") as log:
            self._others.append(
                subprocess.Popen(
                    [super()._command()[0], str(file), *(options or [])],
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,  # noqa: PLW1509
                )
            )

    def close(self) -> None:
        super().close()
        for process in self._others:
            process.kill()
            process.wait()


class WatchedRedisServer(Watched, RedisServer):
    """The same with another program."""


class Clustered(Served):
    """The same as all of a cluster."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self._port, self._bus_port = free_port(), free_port()

    def _command(self) -> list[str]:
        options = {
            "port": self._port,
            "bind": "127.0.0.1",
            "cluster-enabled": "yes",
            "cluster-port": self._bus_port,
            "cluster-announce-ip": "127.0.0.1",
            "cluster-node-timeout": 2000,
        }
        return [*super()._command(), *(word for name, value in options.items() for word in (f"--{name}", str(value)))]

    def url_for_hubs(self, url: str) -> str:
        return f"redis+cluster://127.0.0.1:{self._port}"

    def start(self) -> str:
        url = super().start()
        with Redis.from_url(url) as outside:

            def asked(*words: str | int) -> str:
                answer: Any = outside.execute_command("CLUSTER", *words)
                return str(answer)

            if "cluster_slots_assigned:0" in asked("INFO"):
                asked("ADDSLOTSRANGE", 0, SLOTS - 1)
            assert becomes(lambda: "cluster_state:ok" in asked("INFO"), START_SECONDS)  # it waits before it says so
        return url


class ClusteredRedisServer(Clustered, RedisServer):
    """The same with another program."""


SERVERS: dict[str, type[Served]] = {
    "valkey": Served,
    "redis": RedisServer,
    "sentinel": Watched,
    "redis-sentinel": WatchedRedisServer,
    "cluster": Clustered,
    "redis-cluster": ClusteredRedisServer,
}


def wanted() -> str:
    """Which of ``SERVERS`` the suite runs on."""
    return os.environ.get("HUB_TEST_STORE", "valkey")


def program_wanted() -> str:
    """``valkey`` or ``redis``: whose server that is."""
    return "redis" if issubclass(SERVERS[wanted()], RedisServer) else "valkey"


def test_store(folder: Path) -> Served:
    """A store that keeps its data in ``folder``, not yet started."""
    return SERVERS[wanted()](folder)


test_store.__test__ = False  # type: ignore[attr-defined]


def pid_of(store: EmbeddedStore) -> int:
    """The process of a server that runs."""
    assert store.pid is not None
    return store.pid


def kill(store: EmbeddedStore) -> None:
    """``kill -9``; the lock on its data is given back."""
    os.kill(pid_of(store), signal.SIGKILL)
    store.stop()
