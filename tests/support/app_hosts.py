"""Apps on hosts of their own, and a browser that visits them: cookies by host, as a browser keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from tests.support.echo import EchoApp
from tests.support.nodes import Cluster, Node
from tests.support.ports import free_port
from tests.support.tabs import Opened, log_in

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}


@dataclass
class Place:
    """A node with a public origin and two apps on hosts of their own, met under names of the loopback."""

    node: Node

    def url(self, name: str) -> str:
        """The origin of ``public``, ``one`` or ``two``."""
        host = "127.0.0.1" if name == "public" else f"{name}.localhost"
        return f"http://{host}:{self.node.port}"

    def host(self, name: str) -> str:
        return urlsplit(self.url(name)).netloc


@contextmanager
def two_app_hosts(cluster: Cluster) -> Iterator[Place]:
    """A node with apps ``one`` and ``two``, whose server tells what it was sent."""
    port = free_port()
    with EchoApp() as echo:
        settings = {}
        for name, sections in (("one", {"PROFILE": "write"}), ("two", {"CART": "write"})):
            settings[f"HUB_APPS__{name.upper()}__HOST"] = f"{name}.localhost:{port}"
            settings[f"HUB_APPS__{name.upper()}__UPSTREAM"] = echo.url
            for section, right in sections.items():
                settings[f"HUB_APPS__{name.upper()}__SECTIONS__{section}"] = right
        yield Place(cluster.node("hub", port=port, **settings))


class Browser:
    """Cookies by host, as a browser keeps them; redirects are followed one at a time."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.jars: dict[str, dict[str, str]] = {}
        self.client = httpx.AsyncClient(base_url=place.url("public"))

    async def get(self, url: str, method: str = "GET", **headers: str) -> httpx.Response:
        parts = urlsplit(url)
        jar = self.jars.setdefault(parts.netloc, {})
        shown = {"Host": parts.netloc, **NAVIGATION, **headers}
        if jar:
            shown["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        answer = await self.client.request(method, target, headers=shown)
        self.client.cookies.clear()  # its own jar knows one host only
        for value in answer.headers.get_list("set-cookie"):
            name, _, content = value.partition(";")[0].partition("=")
            jar.pop(name, None)
            if "Max-Age=0" not in value:
                jar[name] = content
        return answer

    async def go(self, url: str) -> tuple[str, httpx.Response]:
        """Where a navigation ends."""
        for _ in range(8):
            answer = await self.get(url)
            if answer.status_code not in (302, 303):
                return url, answer
            url = httpx.URL(url).join(answer.headers["location"]).__str__()
        raise AssertionError("redirected in circles")


async def signed_in(cluster: Cluster, browser: Browser, user: str = "ada") -> Opened:
    """A session of the public origin, in this browser."""
    opened = await log_in(cluster, browser.place.node, user)
    browser.jars[browser.place.host("public")] = {"hub": opened.token}
    return opened


def cookie_at(browser: Browser, name: str) -> str:
    """The session token of this browser at ``public``, ``one`` or ``two``."""
    return browser.jars[browser.place.host(name)]["hub"]
