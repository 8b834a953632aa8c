"""The composition root: one node as an ASGI application, which owns its start and stop. ``node`` builds the parts."""

from __future__ import annotations

from collections.abc import Awaitable
from types import SimpleNamespace

from starlette.types import Receive, Scope, Send

from hub import assembly, gauges
from hub.live.admission import Opening
from hub.live.websocket import is_live
from hub.node import Node
from hub.settings import Settings
from hub.telemetry import logs


def create_app(settings: Settings) -> Hub:
    """The ASGI application of one node. It reaches for the store when it starts, not before."""
    return Hub(settings)


def check(settings: Settings) -> None:
    """Raise ``ConfigurationError`` for what only shows when a node is put together."""
    assembly.sections_of(settings)  # reads their schemas


class Hub:
    """One node: an ASGI application whose lifespan owns everything it is made of."""

    def __init__(self, settings: Settings) -> None:
        logs.configure(settings.log_level)
        if settings.access_log:
            logs.always("hub.access")
        gauges.expect(settings)
        self._settings = settings
        self._node: Node | None = None
        self.state = SimpleNamespace(begin_drain=self.begin_drain, enter=self.enter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._node is not None, "requests come after the start"
        await self._node.app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._node = Node(self._settings)
        try:
            await self._node.start()
        except BaseException:
            await self._node.stop()
            raise
        self._node.fanout.registry.heap.take_over()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._node.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def enter(self, target: bytes) -> Awaitable[Opening] | None:
        """A live connection waits for its turn before anything is built for it."""
        assert self._node is not None, "requests come after the start"
        return self._node.live.admission.enter() if is_live(target) else None

    async def begin_drain(self) -> None:
        """SIGTERM: take no new connections, and send the open ones elsewhere."""
        if self._node is not None:
            await self._node.live.drain()
