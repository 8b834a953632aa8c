"""A small OpenID client for tests: it goes through the code flow as a browser and a client's server would."""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import httpx

REDIRECT_URI = "http://localhost:8000/auth/callback"


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def query_of(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query))


@dataclass
class Flow:
    """One browser (cookies in ``http``) of one client. Parameters set to "" are left out."""

    http: httpx.AsyncClient
    client_id: str = "hub"
    secret: str = "s3cret"
    redirect_uri: str = REDIRECT_URI
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def parameters(self, **changes: str) -> dict[str, str]:
        values = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid profile email groups",
            "state": "state-1",
            "nonce": "nonce-1",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
        } | changes
        return {name: value for name, value in values.items() if value}

    async def authorize(self, **changes: str) -> httpx.Response:
        return await self.http.get("/authorize", params=self.parameters(**changes))

    async def choose(self, page: httpx.Response, person: str = "ada") -> httpx.Response:
        found = re.search(r'name="transaction" value="([^"]+)"', page.text)
        assert found, f"no chooser: {page.status_code} {page.headers.get('location')}"
        form = {"transaction": found[1], "person": person}
        return await self.http.post("/authorize/choice", data=form)

    async def code(self, person: str = "ada", **changes: str) -> str:
        answer = await self.authorize(**changes)
        if answer.status_code == httpx.codes.OK:
            answer = await self.choose(answer, person)
        return query_of(answer.headers["location"])["code"]

    async def redeem(self, code: str, /, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        } | changes
        body = {name: value for name, value in form.items() if value}
        return await self.http.post("/token", data=body, auth=(self.client_id, self.secret))

    async def tokens(self, person: str = "ada", **changes: str) -> dict[str, str]:
        answer = await self.redeem(await self.code(person, **changes))
        assert answer.status_code == httpx.codes.OK, answer.text
        tokens: dict[str, str] = answer.json()
        return tokens
