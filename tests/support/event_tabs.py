"""Tabs for which WebSockets do not pass: they hear the same messages as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from types import TracebackType

import httpx

from tests.support.nodes import Node
from tests.support.tabs import Hearing

OPENING_SECONDS = 10.0


class EventTab(Hearing):
    """A stream of events. ``is_whole``: its answer came to its end, and did not break off."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.is_whole = False
        self._answer = answer
        self._reading = asyncio.create_task(self._read())

    async def __aenter__(self) -> EventTab:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._answer.aclose()

    async def _read(self) -> None:
        try:
            async for event in _events(self._answer):
                message = json.loads(event["data"])
                assert message["type"] == event["event"]
                await self._hear(message)
            self.is_whole = True
        except httpx.TransportError:
            pass
        await self._over(None, "")


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields
            fields = {}


def stream_client() -> httpx.AsyncClient:
    """A client for as many streams as one likes."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(OPENING_SECONDS, read=None), verify=False)


async def open_events(client: httpx.AsyncClient, node: Node, headers: Mapping[str, str], sid: str = "me") -> EventTab:
    """A stream of a caller that shows these headers."""
    request = client.build_request("GET", f"{node.url}/v1/sessions/{sid}/events", headers=headers)
    answer = await client.send(request, stream=True)
    if answer.status_code != 200:
        await answer.aread()
    assert answer.status_code == 200, answer.text
    return EventTab(answer)
