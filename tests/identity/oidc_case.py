"""A hub's side of the code flow against the demo provider, in one process but over its real HTTP application."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from hub.identity.cookies import Cookies
from hub.identity.jwks import ProviderDirectory
from hub.identity.oidc import Oidc
from hub.identity.providers import Provider
from hub.identity.transactions import Transactions
from tests.identity.fakes import OnceInMemory
from tests.identity.worlds import Clock

DEMO_APPS = str(Path(__file__).resolve().parents[2] / "demo_apps")
if DEMO_APPS not in sys.path:
    sys.path.insert(0, DEMO_APPS)

PUBLIC_URL = "http://localhost:8000"
ISSUER = "http://127.0.0.1:9000"
SECRET = "s3cret & ünusual"
CLAIMS = {"name": "name", "email": "email", "roles": "groups"}


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


@dataclass
class OidcCase:
    """One hub, its provider, and a browser at the provider."""

    oidc: Oidc
    http: httpx.AsyncClient
    clock: Clock
    once: OnceInMemory
    cookies: Cookies
    directories: list[tuple[Provider, ProviderDirectory]]
    transactions: Transactions
    jar: dict[str, str] = field(default_factory=dict)

    def keep(self, set_cookies: Any) -> None:
        for value in set_cookies:
            pair, *flags = value.split("; ")
            name, _, content = pair.partition("=")
            if "Max-Age=0" in flags:
                self.jar.pop(name, None)
            else:
                self.jar[name] = content

    @property
    def cookie(self) -> list[str]:
        return ["; ".join(f"{name}={value}" for name, value in self.jar.items())] if self.jar else []

    async def begin(self, return_to: str = "/apps/a", prompt: str | None = None) -> str:
        """Where the browser is sent."""
        begun = await self.oidc.begin("main", return_to, self.cookie, prompt, door_url=PUBLIC_URL)
        self.keep(begun.set_cookies)
        return begun.location

    async def answer_of(self, location: str, person: str = "ada") -> str:
        """What the person's choice at the provider leads back to."""
        page = await self.http.get(location)
        if page.status_code == httpx.codes.OK:
            found = re.search(r'name="transaction" value="([^"]+)"', page.text)
            assert found
            page = await self.http.post(f"{ISSUER}/authorize/choice", data={"transaction": found[1], "person": person})
        return page.headers["location"]

    async def answer(self, person: str = "ada", **changes: str | None) -> list[tuple[str, str]]:
        """A callback's query; ``changes`` replace its members, ``None`` leaves one out."""
        said: Mapping[str, str | None] = {**query_of(await self.answer_of(await self.begin(), person)), **changes}
        return [(name, value) for name, value in said.items() if value is not None]


@functools.cache
def signing_key() -> Any:
    """One key for all cases: making one takes long."""
    from idp.keys import SigningKey

    return SigningKey()


@asynccontextmanager
async def oidc_case(secret: str | None = SECRET, backchannel_uri: str | None = None) -> AsyncIterator[OidcCase]:
    from idp.app import create_app
    from idp.clients import Client
    from idp.provider import Provider as DemoProvider

    clock, once, cookies = Clock(), OnceInMemory(), Cookies.of_url(PUBLIC_URL)
    client = Client(
        "hub", SECRET, (f"{PUBLIC_URL}/auth/callback",), (f"{PUBLIC_URL}/auth/signed-out",), backchannel_uri
    )
    demo = DemoProvider(issuer=ISSUER, client=client, key=signing_key(), clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(demo))) as http:
        provider = Provider(
            "main", ISSUER, "hub", secret, scopes=("openid", "profile", "email", "groups"), claims=CLAIMS
        )
        directories = [(provider, ProviderDirectory(provider, http, clock))]
        transactions = Transactions({"k1": b"1" * 32}, "k1", cookies, once, clock)
        oidc = Oidc(directories, transactions, http, clock)
        yield OidcCase(oidc, http, clock, once, cookies, directories, transactions)
