"""A hub whose operators have an origin of their own, an operator there, and sessions to be watched."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx
from redis.asyncio import Redis

from tests.security.roads import in_browser
from tests.support.answers import good
from tests.support.event_tabs import EventTab, open_events, stream_client
from tests.support.nodes import ROOT, SERVICE_KEY, Cluster, Node, clean_environment
from tests.support.ports import free_port
from tests.support.tabs import Opened, Tab, as_service, log_in, merge, open_with

OPERATOR_MAX_AGE_SECONDS = 3600
HIDDEN = "a canary in a section that only one service may see"
SEEN = {"profile": {"name": "Ada"}, "secret": {"iban": HIDDEN}}


def page(node: Node, opened: Opened) -> dict[str, str]:
    """What a page of this origin sends with the session's cookie."""
    return {"Cookie": f"hub={opened.token}", "Origin": node.url}


@dataclass
class Console:
    """``node`` is the hub at its public origin, ``door`` the same at the operators'."""

    cluster: Cluster
    node: Node
    door: Node
    operator: Opened = field(default_factory=lambda: Opened("", "", "", ""))

    async def new_operator(self, left_seconds: int = OPERATOR_MAX_AGE_SECONDS) -> Opened:
        """Somebody logs in who is an operator for so many seconds."""
        auth_time = int(time.time()) - OPERATOR_MAX_AGE_SECONDS + left_seconds
        user = f"olga-{time.monotonic_ns()}"
        self.operator = await log_in(self.cluster, self.door, user, groups=["operators"], auth_time=auth_time)
        return self.operator

    @property
    def proof(self) -> dict[str, str]:
        """The operator's cookie, as a page of the console sends it."""
        return page(self.door, self.operator)

    def browser(self) -> httpx.AsyncClient:
        """The operator's browser, at the console."""
        return in_browser(self.door, self.operator)

    async def watched(self, user: str) -> Opened:
        """A session with something in it that is nobody's business."""
        opened = await log_in(self.cluster, self.node, f"{user}-{time.monotonic_ns()}")
        async with as_service(self.node) as service:
            opened.position = good(await merge(service, opened.sid, SEEN))["position"]
        return opened

    async def is_untouched(self, watched: Opened) -> None:
        """The session lives, stands where it stood, and its history tells of nobody else."""
        async with as_service(self.node) as service:
            about = good(await service.get(f"/v1/sessions/{watched.sid}"))
        assert (about["status"], about["position"]) == ("live", watched.position)

    async def follow(self, stack: AsyncExitStack, watched: Opened) -> tuple[Tab, EventTab]:
        """The operator follows a session over both roads."""
        streams = await stack.enter_async_context(stream_client())
        tab = await stack.enter_async_context(await open_with(self.door, self.proof, watched.sid))
        events = await stack.enter_async_context(await open_events(streams, self.door, self.proof, watched.sid))
        await asyncio.gather(tab.until_live(), events.until_live())
        return tab, events

    async def cut_the_feed(self) -> None:
        """The store drops every subscription."""
        async with Redis.from_url(self.cluster.store_url) as store:
            assert int(await store.client_kill_filter(_type="pubsub")) >= 1

    async def run(self, *arguments: str) -> bytes:
        """What a command of ``hub`` prints, on whichever stream."""
        ours = {"HUB_STORE_URL": self.cluster.url_for_hubs, "HUB_KEYS__FILE": str(self.cluster.ring)}
        ours |= {"HUB_CONFIG": str(self.cluster.folder / "hub.toml"), "HUB_TOKEN": SERVICE_KEY}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=clean_environment() | ours,
            cwd=ROOT,
        )
        printed, _ = await process.communicate()
        assert process.returncode == os.EX_OK, printed
        return printed


def console_of(cluster: Cluster, **settings: str) -> Console:
    """Start a node with two origins: 127.0.0.1 is public, localhost the operators'."""
    port = free_port()
    node = cluster.node(port=port, HUB_CONSOLE_URL=f"http://localhost:{port}", **settings)
    door = Node(node.process, port)
    door.url, door.ws_url = f"http://localhost:{port}", f"ws://localhost:{port}"
    return Console(cluster, node, door)


def listed(*texts: str) -> str:
    """A list of texts, as a setting in the environment."""
    return json.dumps(texts)
