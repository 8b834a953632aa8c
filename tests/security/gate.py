"""A running hub with real apps' servers behind it that keep every byte, for what is said about the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.nodes import Cluster, Node, sha256
from tests.support.ports import free_port
from tests.support.raw import Raw, send
from tests.support.recorder import Asked, Recorder
from tests.support.tabs import Opened, log_in

SECONDS = 5.0
VERIFY_KEY = "the key of a proxy that asks about app a"


@dataclass
class Gate:
    """App ``a`` needs a session, ``open`` does not; both have a server of their own. ``opened`` is Ada's session."""

    cluster: Cluster
    node: Node
    a: Recorder
    open: Recorder
    opened: Opened

    @property
    def cookie(self) -> str:
        """The header line of Ada's browser."""
        return f"Cookie: hub={self.opened.token}"

    def forget(self) -> None:
        """As if no app had been asked yet."""
        self.a.forget()
        self.open.forget()

    def asked(self) -> list[Asked]:
        """What reached any app."""
        return [*self.a.asked, *self.open.asked]

    async def get(self, target: str, *lines: str | bytes, method: str = "GET", host: str | None = None) -> Raw:
        """One request with header lines exactly as they are."""
        return await send(self.node, self.request(target, *lines, method=method, host=host))

    def request(self, target: str, *lines: str | bytes, method: str = "GET", host: str | None = None) -> bytes:
        """Its bytes."""
        named = host if host is not None else f"127.0.0.1:{self.node.port}"
        raw = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
        return b"\r\n".join([f"{method} {target} HTTP/1.1\r\nHost: {named}".encode(), *raw]) + b"\r\n\r\n"

    async def talk(self, data: bytes) -> bytes:
        """Send bytes as they are and read until the hub closes; a hang is a failure."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.node.port)
        try:
            writer.write(data)
            return await asyncio.wait_for(reader.read(), SECONDS)
        except TimeoutError:
            raise AssertionError("the hub does not hang up") from None
        finally:
            writer.close()


def refusal(answer: Raw) -> tuple[int, str | None]:
    """Status, and the code of a problem (RFC 9457) if it is one."""
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.status, answer.json()["code"] if is_problem else None


@contextmanager
def apps() -> Iterator[tuple[Recorder, Recorder, dict[str, str]]]:
    """Two apps' servers, and the settings of a hub in front of them."""
    with Recorder() as a, Recorder() as anonymous:
        settings = {
            "HUB_APPS__A__UPSTREAM": a.url,
            "HUB_APPS__A__VERIFY_KEY_SHA256": sha256(VERIFY_KEY),
            "HUB_APPS__OPEN__PREFIX": "/apps/open",
            "HUB_APPS__OPEN__UPSTREAM": anonymous.url,
            "HUB_APPS__OPEN__ANONYMOUS": "true",
            "HUB_APPS__OPEN__VERIFY_KEY_SHA256": sha256(VERIFY_KEY),
        }
        yield a, anonymous, settings


@contextmanager
def gate_of(cluster: Cluster, **more: str) -> Iterator[Gate]:
    """A node of its own with both apps; ``more`` settings."""
    with apps() as (a, anonymous, settings):
        node = cluster.node(port=free_port(), **settings, **more)
        opened = asyncio.run(log_in(cluster, node))
        yield Gate(cluster, node, a, anonymous, opened)
