"""All about one session that nobody else may see: what proves it, what seals it, and what its user put into it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

import httpx

from tests.security.consoles import Console
from tests.support.answers import good
from tests.support.canaries import canary, found
from tests.support.nodes import SERVICE_KEY, Node
from tests.support.tabs import Opened, as_service, bearer, merge
from tests.support.truth import store_of

LOOKS_LIKE_ONE = (b"eyJ", b"hub_st_", b"hub_sk_", b"hub.ticket.")


@dataclass
class Secrets:
    """``words`` are texts by name, ``keys`` bytes that only the hub has."""

    node: Node
    session: Opened
    words: Mapping[str, str]
    keys: Mapping[str, bytes]

    @property
    def reason(self) -> str:
        """Why an operator looks."""
        return self.words["reason"]

    def in_(self, text: bytes) -> list[str]:
        """What of it is in a text, in whatever form."""
        seen = found(self.words, text)
        seen += [name for name, key in self.keys.items() if any(form in text for form in _forms(key))]
        return sorted(seen + [mark.decode() for mark in LOOKS_LIKE_ONE if mark in text])

    async def put(self, section: str) -> None:
        """Its document has all of it, as values and as a name."""
        words = self.words
        value = {words["street"]: [words["iban"]], "iban": words["iban"], "token": words["token"]}
        value |= {"jwt": words["jwt"], "key": words["service key"]}
        async with as_service(self.node) as service:
            good(await merge(service, self.session.sid, {section: value}))

    async def put_again(self) -> None:
        """Once more, for those who follow."""
        await self.put("shown")

    async def asked(self, operator: httpx.AsyncClient) -> AsyncIterator[bytes]:
        """All an operator may ask about it without giving a reason, headers included; ends it."""
        own, user = f"/v1/sessions/{self.session.sid}", self.session.user
        since = self.session.position
        asks = [("GET", f"/v1/sessions?user={user}"), ("GET", "/v1/sessions?limit=500"), ("GET", own)]
        asks += [("GET", f"{own}/document"), ("GET", f"{own}/document?position={since}")]
        asks += [("GET", f"{own}/changes?since={since}"), ("GET", f"/v1/users/{user}/sessions")]
        asks += [("DELETE", own), ("GET", f"{own}/changes?since={since}")]
        for method, path in asks:
            answer = await operator.request(method, path)
            assert answer.status_code in (200, 204), answer.text
            yield repr(answer.headers.raw).encode() + answer.content


def _forms(key: bytes) -> Iterator[bytes]:
    yield from (key, key.hex().encode(), key.hex().upper().encode())
    yield from (base64.b64encode(key).rstrip(b"="), base64.urlsafe_b64encode(key).rstrip(b"="))


async def secret_session(console: Console) -> Secrets:
    """A session that has something to hide."""
    jwt = console.cluster.provider.token("ada", agent="x")
    async with httpx.AsyncClient(base_url=console.node.url) as client:
        said = good(await client.post("/v1/sessions", headers=bearer(jwt)), 201)
    opened = Opened(said["sid"], said["token"], said["position"], said["user"])
    words = {"jwt": jwt, "token": opened.token, "its secret": opened.token.rpartition(".")[2]}
    words |= {"service key": SERVICE_KEY, "operator": console.operator.token}
    words |= {name: canary(name) for name in ("iban", "street", "reason")}
    async with store_of(console.cluster) as store:
        session = await store.read(opened.sid)
    assert session is not None
    made = Secrets(console.node, opened, words, {"data key": session.data_key, "verifier": session.verifier})
    await made.put("secret")
    return made
