"""Hubs as a browser meets them, over https and on plain loopback, and what a log-in there is made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.log_ins import begin, finish
from tests.support.nodes import Cluster, Node
from tests.support.tls import certificates


@dataclass(frozen=True)
class Place:
    """One hub at one origin; ``name`` is that of the session cookie there."""

    cluster: Cluster
    node: Node
    name: str

    @property
    def is_secure(self) -> bool:
        """Whether browsers meet it over https."""
        return self.node.url.startswith("https:")

    def browser(self, **cookies: str) -> httpx.AsyncClient:
        """A browser that has these cookies: it keeps what it is given, and follows no redirect."""
        made = httpx.AsyncClient(base_url=self.node.url, verify=self.node.verify)
        for name, value in cookies.items():
            made.cookies.set(name, value, domain="127.0.0.1")
        return made

    def from_a_page(self, **more: str) -> dict[str, str]:
        """What the hub's own page sends with an unsafe request."""
        return {"Origin": self.node.url, "X-Hub-CSRF": "1", **more}

    async def log_in(self, browser: httpx.AsyncClient, user: str = "ada") -> str:
        """The whole way, as the browser goes it; the token."""
        answer = await finish(browser, self.cluster, await begin(browser, "/apps/a/"), user=user)
        assert (answer.status_code, answer.headers["location"]) == (303, "/apps/a/"), answer.text
        return str(browser.cookies.get(self.name, ""))


@contextmanager
def secure_place(cluster: Cluster, folder: Path, **settings: str) -> Iterator[Place]:
    """A hub over https, with a certificate of its own."""
    node = cluster.node_over_https(certificates(folder), **settings)
    yield Place(cluster, node, "__Host-hub")
