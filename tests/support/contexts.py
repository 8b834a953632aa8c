"""Context tokens as apps get them: from a request that went through the gateway."""

from __future__ import annotations

import httpx

from tests.support.nodes import Node
from tests.support.tabs import Opened, bearer


async def context_token(node: Node, opened: Opened, app: str) -> str:
    """The token that app (under ``/apps/<app>``, an ``EchoApp``) is handed for this session."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        answer = await client.get(f"/apps/{app}/", headers=bearer(opened.token))
    assert answer.status_code == 200, answer.text
    told = {name.lower(): value for name, value in answer.json()["headers"]}
    return str(told["x-hub-session"])


def as_app(node: Node, token: str) -> httpx.AsyncClient:
    """A client with an app's context token."""
    return httpx.AsyncClient(base_url=node.url, headers=bearer(token))
