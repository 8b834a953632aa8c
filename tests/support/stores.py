"""The server under the suite: the embedded Valkey, or with ``HUB_TEST_STORE=redis`` a ``redis-server`` from the path.

Both have the interface, files, options and end of the embedded store, so tests stop, kill, freeze and restart either.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import IO

from hub.store.embedded import EmbeddedStore


class RedisServer(EmbeddedStore):
    """The same with another program: what differs afterwards is the server's doing alone."""

    def _spawn(self, binary: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        redis = shutil.which("redis-server")
        if redis is None:
            raise FileNotFoundError("no redis-server on the path (apt install redis-server)")
        return super()._spawn(redis, log)


SERVERS = {"valkey": EmbeddedStore, "redis": RedisServer}


def wanted() -> str:
    """Which of ``SERVERS`` the suite runs on."""
    return os.environ.get("HUB_TEST_STORE", "valkey")


def test_store(folder: Path) -> EmbeddedStore:
    """A server that keeps its data in ``folder``, not yet started."""
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
