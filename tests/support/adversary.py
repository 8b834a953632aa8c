"""A provider that says what a certified one never would: any token, any key set, on real sockets.

It can also be honest (codes are good once, and only with the verifier of their log-in), so that a test can show what it
is that makes the difference.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from hub.identity.claims import LOGOUT_EVENT
from tests.identity.minting import Key, ec_key, mint, rsa_key
from tests.identity.servers import Answer, Server, publish
from tests.support.log_ins import begin
from tests.support.nodes import Cluster, Node
from tests.support.ports import free_port
from tests.support.tabs import bearer

Claims = dict[str, Any]

EC_KID, RSA_KID = "e1", "r1"
KINDS = ("access", "id", "logout")
TYPES = {"access": "at+jwt", "id": "JWT", "logout": "logout+jwt"}
FORM = "application/x-www-form-urlencoded"


def renamed(key: Key, kid: str) -> Key:
    """The same key under another name."""
    return Key(key.private, {**key.jwk, "kid": kid})


@dataclass
class Code:
    """What a code is good for: ``said`` is the token endpoint's answer."""

    said: Any
    challenge: str | None = None


class Adversary(Server):
    """One issuer. ``name`` picks its keys; their kids are the same for all issuers."""

    def __init__(self, name: str = "adversary") -> None:
        super().__init__()
        self.issuer = self.url
        self.key, self.rsa = renamed(ec_key(name), EC_KID), renamed(rsa_key(name), RSA_KID)
        self.codes: dict[str, Code] = {}
        self.answers["/token"] = self._redeem
        self.publish_honestly()

    def publish_honestly(self, *more: Mapping[str, Any], **metadata: Any) -> None:
        """Its keys as they should be; ``metadata`` replaces members of its discovery document."""
        publish(self, self.key.jwk, self.rsa.jwk, *map(dict, more), **metadata)

    def claims(self, kind: str, **changes: Any) -> Claims:
        """What a good token of a kind says; ``None`` leaves a claim out."""
        now = int(time.time())
        user = "a leaver" if kind == "logout" else "ada"  # a log-out keeps out log-ins that began before it
        said: Claims = {"iss": self.issuer, "aud": "hub", "sub": user, "iat": now, "exp": now + 120}
        said["jti"] = uuid.uuid4().hex
        if kind == "logout":
            said["events"] = {LOGOUT_EVENT: {}}
        return {name: value for name, value in (said | changes).items() if value is not None}

    def token(self, kind: str = "access", key: Key | None = None, **changes: Any) -> str:
        """A token of a kind."""
        return mint(self.claims(kind, **changes), key or self.key, typ=TYPES[kind])

    def code(self, said: Any, challenge: str | None = None) -> str:
        """A code for this answer of the token endpoint; with ``challenge`` its verifier has to come along."""
        code = uuid.uuid4().hex
        self.codes[code] = Code(said, challenge)
        return code

    def _redeem(self, form: dict[str, str], _: dict[str, str]) -> Answer:
        code = self.codes.pop(form.get("code", ""), None)
        if code is None or (code.challenge and challenge_of(form.get("code_verifier", "")) != code.challenge):
            return Answer({"error": "invalid_grant"}, 400)
        return code.said if isinstance(code.said, Answer) else Answer(code.said)


def challenge_of(verifier: str) -> str:
    """S256 (RFC 7636 §4.2), as a provider computes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Court:
    """A node that trusts ``provider`` and, under the name ``other``, a second one; and the roads tokens come by."""

    cluster: Cluster
    node: Node
    provider: Adversary
    other: Adversary
    http: httpx.AsyncClient = field(init=False)

    async def __aenter__(self) -> Court:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        self.http = httpx.AsyncClient(base_url=self.node.url, limits=limits, timeout=20)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def send(self, kind: str, token: str) -> httpx.Response:
        """Show a token where tokens of this kind are shown, in a well-formed request."""
        match kind:
            case "access":
                return await self.log_in(token)
            case "logout":
                return await self.order(token)
            case _:
                async with self.browser() as browser:
                    return await self.call_back(browser, await begin(browser), {"id_token": token})

    async def log_in(self, token: str) -> httpx.Response:
        """Bearer log-in."""
        return await self.http.post("/v1/sessions", headers=bearer(token))

    async def order(self, token: str) -> httpx.Response:
        """Back-channel log-out."""
        body = urlencode({"logout_token": token.encode("utf-8", "surrogateescape")})
        return await self.http.post("/auth/backchannel", content=body, headers={"Content-Type": FORM})

    @contextlib.asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        """A browser with cookies of its own."""
        async with httpx.AsyncClient(base_url=self.node.url, timeout=20) as client:
            yield client

    async def call_back(
        self, browser: httpx.AsyncClient, asked: Mapping[str, str], said: Any, **more: str
    ) -> httpx.Response:
        """Come back from the provider with a code for this answer of its token endpoint."""
        code = (self.other if more.pop("by", "") == "other" else self.provider).code(said)
        return await browser.get("/auth/callback", params=self.query(asked, code=code) | more)

    def query(self, asked: Mapping[str, str], **more: str) -> dict[str, str]:
        """What an honest provider adds to the redirect URI."""
        return {"state": asked["state"], "iss": self.provider.issuer, **more}

    async def is_in(self, **changes: Any) -> httpx.Response:
        """A good log-in, which must work whatever went before; the session."""
        answer = await self.log_in(self.provider.token(**changes))
        assert answer.status_code == 201, answer.text
        return answer

    def cpu_seconds(self) -> float:
        """Processor time the node has used, all of its threads."""
        tasks = Path(f"/proc/{self.node.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def rss_bytes(self) -> int:
        """Memory the node holds."""
        pages = int(Path(f"/proc/{self.node.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def court_of(cluster: Cluster, module: str = "hub", **settings: str) -> Iterator[Court]:
    """A node of its own with two adversaries."""
    with Adversary("adversary") as provider, Adversary("another") as other:
        trusted: dict[str, str] = {
            "HUB_IDENTITY_PROVIDERS__MAIN__ISSUER": provider.issuer,
            "HUB_IDENTITY_PROVIDERS__OTHER__ISSUER": other.issuer,
            "HUB_IDENTITY_PROVIDERS__OTHER__CLIENT_ID": "hub",
            "HUB_LIMITS__LOGINS_PER_MINUTE": "0",
        }
        node = cluster.node(module, port=free_port(), **(trusted | settings))
        yield Court(cluster, node, provider, other)
