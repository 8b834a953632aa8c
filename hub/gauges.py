"""What the metrics of a node ask it for when they are read, and the names out of its configuration that are labels.

The only place that knows both; the parts count what happens in them by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from hub import __version__
from hub.core.mode import Mode
from hub.settings import Settings
from hub.telemetry import metrics

if TYPE_CHECKING:
    from hub.node import Node


def expect(settings: Settings) -> None:
    """Apps and providers, which no list in the code can name. To be called before anything is exported."""
    for of_an_app in (metrics.PROXY_REQUESTS, metrics.PROXY_FAILURES, metrics.PROXY_SECONDS, metrics.VERIFIED):
        of_an_app.expect(app=settings.apps)
    for of_a_provider in (metrics.PROVIDER_FETCHES, metrics.UNKNOWN_KEYS):
        of_a_provider.expect(provider=settings.identity_providers)


def attach(node: Node, most_connections: int) -> None:
    """Ask this node from now on. ``most_connections``: its limit, 0 for none."""
    registry, store = node.fanout.registry, node.store
    metrics.BUILD.read_by(lambda: {__version__: 1})
    metrics.WORKERS.read_by(lambda: 1)
    metrics.CONNECTIONS.read_by(lambda: registry.count)
    metrics.CONNECTIONS_USED.read_by(lambda: registry.count / most_connections if most_connections else 0)
    metrics.SESSIONS_FOLLOWED.read_by(lambda: registry.followed)
    metrics.MODE.read_by(lambda: {mode: mode == node.mode for mode in get_args(Mode)})
    metrics.DRAINING.read_by(lambda: node.draining)
    metrics.FEED_UP.read_by(lambda: node.feed)
    metrics.FEED_SILENCE.read_by(lambda: store.watching.seconds_silent)
    metrics.KEYS.read_by(lambda: {use: len(keys.by_kid) for use, keys in node.ring.by_use.items()})
    metrics.MASTER_ACTIVE.read_by(lambda: {node.ring.master.active.kid: 1})
    metrics.BREAKER_OPEN.read_by(node.gateway.open_breakers)
