"""The embedded store of a data directory, for a command that runs beside the hub, or while none runs.

There is never a second server on one data directory: where a hub has it, its socket is used; where none does, the store
runs under its own lock for as long as the command takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.errors import ConfigurationError
from hub.store.embedded import START_SECONDS, DataDirInUse, EmbeddedStore


@contextmanager
def visited(data_dir: Path) -> Iterator[str]:
    """The URL of the store in ``data_dir``. Raises ``ConfigurationError`` where there is none, or it does not start."""
    if not (data_dir / "store").is_dir():
        raise ConfigurationError(f"{data_dir}: there is no store; a hub makes one when it starts")
    store = EmbeddedStore(data_dir)
    running = store.running_url()
    if running is not None:
        yield running
        return
    try:
        url = store.start()
    except DataDirInUse:
        yield _soon_running(store)  # a hub is just starting
        return
    try:
        yield url
    finally:
        store.stop()


def _soon_running(store: EmbeddedStore) -> str:
    deadline = time.monotonic() + START_SECONDS
    while (url := store.running_url()) is None:
        if time.monotonic() > deadline:
            raise ConfigurationError("the embedded store is locked by a hub, and does not answer")
        time.sleep(0.05)
    return url
