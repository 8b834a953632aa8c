"""A node made of almost nothing, run by the hub's own server code: what the process tests start.

``python -m tests.cli.tiny_node MODE`` where MODE is ``serve`` (one node), ``parent`` (two workers) or ``worker`` (one
of them). ``TINY`` in the environment makes the application misbehave: ``refuse`` (wrong configuration), ``break``
(cannot start), ``stubborn`` (never drains), ``hurry`` (the same, with little patience), ``crash`` (dies at once).
"""

import asyncio
import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from hub.cli import CommandError, server
from hub.cli.listen import listen, url_of
from hub.cli.serve import parent_link
from hub.cli.server import Server, make_config
from hub.cli.workers import Workers
from hub.errors import ConfigurationError

WORD = os.environ.get("TINY", "")


class Tiny:
    """HTTP answers the process id; WebSockets are closed with 4001 to drain.

    ``/slow`` takes until draining began; after ``/kept`` one may ask again on the same connection.
    """

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.state = SimpleNamespace(begin_drain=self.draining.set)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await {"lifespan": self._lifespan, "http": self._http, "websocket": self._websocket}[scope["type"]](
            scope, receive, send
        )

    async def _lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if WORD == "refuse":
            raise ConfigurationError("the tiny node does not like this")
        if WORD == "break":
            raise ValueError("no good")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
            await send({"type": "http.response.body", "body": b"12", "more_body": True})
            await self.draining.wait()
            await send({"type": "http.response.body", "body": b"345"})
            return
        body = str(os.getpid()).encode()
        close = [] if scope["path"] == "/kept" else [(b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": close})
        await send({"type": "http.response.body", "body": body})

    async def _websocket(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await (asyncio.Event() if WORD in ("stubborn", "hurry") else self.draining).wait()
        await send({"type": "websocket.close", "code": 4001, "reason": "250"})


def _node(listener: Any, on_ready: Callable[[], None]) -> None:
    application = Tiny()
    Server(make_config(application, None), application, on_ready).run(sockets=[listener])


def main(mode: str, arguments: list[str]) -> None:
    """Run as asked."""
    if mode == "worker":
        if WORD == "crash":
            os._exit(7)
        _node(*parent_link(int(arguments[1]), int(arguments[3])))
        return
    if WORD == "hurry":
        server.DRAIN_SECONDS = 0.2
        server.CLOSE_SECONDS = 1
    listener = listen("127.0.0.1:0")

    def ready() -> None:
        print(url_of(listener, tls=False), flush=True)

    if mode == "serve":
        _node(listener, ready)
    else:
        command = [sys.executable, "-m", "tests.cli.tiny_node", "worker", "--socket-fd", str(listener.fileno())]
        asyncio.run(Workers(command, dict(os.environ), listener, ready).run(2))


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2:])
    except (ConfigurationError, CommandError) as error:
        print(error, file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
