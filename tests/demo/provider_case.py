"""What the provider's tests stand on: a provider in this process, a clock one can turn, a browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from idp.app import create_app
from idp.clients import Client
from idp.keys import SigningKey
from idp.provider import Provider

from tests.demo.oidc import REDIRECT_URI, Flow

ISSUER = "http://127.0.0.1:9000"
POST_LOGOUT_URI = "http://localhost:8000/auth/signed-out"
KEY = SigningKey()


@dataclass
class Clock:
    """Unix seconds, moved by hand."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Case:
    """One provider and one browser of it."""

    provider: Provider
    clock: Clock
    http: httpx.AsyncClient
    flow: Flow

    def another_browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(self.provider)), base_url=ISSUER)


@asynccontextmanager
async def provider_case(backchannel_uri: str | None = None) -> AsyncIterator[Case]:
    clock = Clock()
    client = Client("hub", "s3cret", (REDIRECT_URI,), (POST_LOGOUT_URI,), backchannel_uri)
    provider = Provider(issuer=ISSUER, client=client, key=KEY, clock=clock)
    transport = httpx.ASGITransport(create_app(provider))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        yield Case(provider, clock, http, Flow(http))
