"""A log-in as a browser makes one, without the browser: to the issuer, which says yes to everybody, and back."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.support.nodes import Cluster, Node

COOKIE = "hub"


async def begin(client: httpx.AsyncClient, return_to: str = "/", provider: str = "main") -> dict[str, str]:
    """Go to ``/auth/login``; what the issuer is asked (``state``, ``nonce``, …). Cookies stay in the client."""
    answer = await client.get("/auth/login", params={"return_to": return_to, "provider": provider})
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


async def finish(client: httpx.AsyncClient, cluster: Cluster, asked: dict[str, str], **claims: Any) -> httpx.Response:
    """Come back with a code for ``claims``."""
    code = cluster.provider.code(**({"nonce": asked["nonce"]} | claims))
    return await client.get("/auth/callback", params={"state": asked["state"], "code": code})


async def browser_log_in(cluster: Cluster, node: Node, client: httpx.AsyncClient, **claims: Any) -> str:
    """Log in; the session token, which is in the client's cookies too. ``claims`` as for ``Provider.token``."""
    answer = await finish(client, cluster, await begin(client), **claims)
    assert answer.status_code == 303, answer.text
    return client.cookies[COOKIE]


async def is_live(client: httpx.AsyncClient) -> bool:
    """Whether the client's cookie names a live session."""
    return (await client.get("/v1/sessions/me")).status_code == 200
