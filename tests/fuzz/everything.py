"""All targets, with the hubs they need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fuzz import configuration, pure, secrets
from tests.fuzz.inside import inside
from tests.fuzz.requests import Requests
from tests.fuzz.sockets import Wire
from tests.fuzz.targets import Target
from tests.support.nodes import Cluster
from tests.support.ports import free_port
from tests.support.tabs import log_in

HERE: list[Target] = [*pure.TARGETS, *configuration.TARGETS, *secrets.TARGETS]
"""Functions of the hub."""

NO_LIMITS = {
    "HUB_LIMITS__MESSAGES_PER_SECOND": "0",
    "HUB_LIMITS__LOGINS_PER_MINUTE": "0",
}


@contextmanager
def with_a_hub(cluster: Cluster) -> Iterator[list[Target]]:
    """Those that need a hub in this process, or a node."""
    node = cluster.node(port=free_port(), **NO_LIMITS)
    opened = asyncio.run(log_in(cluster, node, "a-tab"))
    with inside(cluster) as hub, Wire(node, opened) as wire:
        yield [*Requests(hub).targets(), *wire.targets()]
