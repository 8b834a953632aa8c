"""Starts the three apps as their own processes and a `FakeHub` before them, in this process on a thread."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import uvicorn

from tests.demo.fake_hub import DEMO, SERVICE_KEY, FakeHub

FOLDERS = {"a": "app_a", "b": "app_b", "desk": "desk"}
STOP_SECONDS = 10


@contextmanager
def program(folder: str, *arguments: str, **environ: str) -> Iterator[str]:
    """One demo server on a free port; gives its URL once it is listening."""
    command = [sys.executable, str(DEMO / folder / "server.py"), "--port", "0", *arguments]
    process = subprocess.Popen(command, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        process.stdout.close()


@contextmanager
def serving(hub: FakeHub) -> Iterator[str]:
    """The fake hub on a free port of localhost; gives its URL, which it also takes as its public one."""
    config = uvicorn.Config(hub.app(), host="127.0.0.1", port=0, log_level="warning", ws="websockets-sansio")
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    hub.public_url = f"http://localhost:{listener.getsockname()[1]}"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield hub.public_url
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listener.close()


@contextmanager
def stage(hub: FakeHub | None = None) -> Iterator[FakeHub]:
    """Hub and apps, ready."""
    hub = hub or FakeHub()
    with ExitStack() as stack:
        url = stack.enter_context(serving(hub))
        arguments = ("--public-url", url, "--hub-url", url.replace("localhost", "127.0.0.1"))
        for name, folder in FOLDERS.items():
            started = program(folder, *arguments, DEMO_BILLING_KEY=SERVICE_KEY)
            hub.upstreams[name] = stack.enter_context(started)
        yield hub
