"""Bytes straight to a node: what no HTTP library would send."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from tests.support.nodes import Node

SECONDS = 5.0


@dataclass
class Raw:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    lines: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        said: dict[str, Any] = json.loads(self.body)
        return said


async def send(node: Node, request: bytes) -> Raw:
    """Send bytes, read one answer; a hang is a failure."""
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = 0 if request.startswith(b"HEAD") else int(headers.get("content-length", "0"))
            body = await reader.readexactly(length)
            return Raw(int(first.split(" ")[1]), headers, body, tuple(lines))
        finally:
            writer.close()


def get(node: Node, path: str = "/healthz", *lines: str, method: str = "GET", host: str | None = None) -> bytes:
    """A request with header lines as they are."""
    first = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{node.port}'}"]
    return ("\r\n".join([*first, *lines]) + "\r\n\r\n").encode("latin-1")
