"""A whole life of sessions, with a canary wherever somebody's word goes in."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.support.answers import good
from tests.support.canaries import canary
from tests.support.contexts import as_app, context_token
from tests.support.log_ins import browser_log_in
from tests.support.nodes import Cluster, Node
from tests.support.tabs import Opened, as_service, bearer, merge, open_tab, open_with

Words = dict[str, str]


class Life:
    """Sessions that live through everything there is, with a canary wherever somebody's word goes in."""

    def __init__(self, cluster: Cluster, node: Node) -> None:
        names = ("value", "key", "patch", "user", "name", "e-mail", "reason", "service", "app", "live", "idp-sid")
        self.words: Words = {name: canary(name) for name in names}
        self.words |= {name: canary(name, "e") for name in ("agent", "idempotency", "commit-id")}
        self.answers: list[bytes] = []
        self._cluster, self._node = cluster, node
        self._claims = {"sub": self.words["user"], "name": self.words["name"], "email": self.words["e-mail"]}

    async def live(self, at_the_height: Callable[[], Awaitable[None]] | None = None) -> None:
        """Log in both ways, commit as everybody, read, follow, and end; ``at_the_height`` before that end."""
        hooks = {"response": [self._keep]}
        async with httpx.AsyncClient(
            base_url=self._node.url, headers={"User-Agent": self.words["agent"]}, event_hooks=hooks
        ) as client:
            native = await self._native(client)
            cookie = await browser_log_in(
                self._cluster, self._node, client, user=self.words["user"], sid=self.words["idp-sid"], **self._claims
            )
            self.words["cookie"] = cookie.partition(".")[2]
            await self._commit_from_everywhere(client, native)
            await self._follow(client, native)
            if at_the_height is not None:
                await at_the_height()
            await self._end(client, native)

    async def _keep(self, answer: httpx.Response) -> None:
        self.answers.append(repr(answer.headers.raw).encode() + await answer.aread())

    async def _native(self, client: httpx.AsyncClient) -> Opened:
        token = self._cluster.provider.token(sid=self.words["idp-sid"], **self._claims)
        self.words["provider-token"] = token.rpartition(".")[2]
        said = good_but_cookie(await client.post("/v1/sessions", headers=bearer(token)), 201)
        self.words["session-token"] = said["token"].partition(".")[2]
        return Opened(said["sid"], said["token"], said["position"], said["user"])

    async def _commit_from_everywhere(self, client: httpx.AsyncClient, native: Opened) -> None:
        words, page = self.words, {"Origin": self._node.url, "X-Hub-CSRF": "1"}
        key = {"Idempotency-Key": words["idempotency"]}
        value = {words["key"]: words["value"], "list": [words["patch"]]}
        good_but_cookie(await merge(client, "me", {"profile": value}, **page, **key))
        good_but_cookie(await client.get("/v1/sessions/me/document"))
        async with as_service(self._node) as service:
            line = {"sid": native.sid, "patch": {"cart": {"said": words["service"]}}, "key": "x"}
            content, headers = json.dumps(line), {"Content-Type": "application/x-ndjson"}
            assert '"changed":true' in (await service.post("/v1/commits", content=content, headers=headers)).text
        words["context-token"] = (token := await context_token(self._node, native, "a")).rpartition(".")[2]
        async with as_app(self._node, token) as app:
            good(await merge(app, "me", {"profile": {"said": words["app"]}}))

    async def _follow(self, client: httpx.AsyncClient, native: Opened) -> None:
        page = {"Origin": self._node.url, "X-Hub-CSRF": "1"}
        ticket = good_but_cookie(await client.post("/v1/sessions/me/tickets", headers=page), 201)["ticket"]
        self.words["ticket"] = ticket
        shown = ("hub.v1", f"hub.ticket.{ticket}")
        async with (
            await open_with(self._node, {"Origin": self._node.url}, "me", "?presence=1", shown) as first,
            await open_tab(self._node, native.token, query="?app=a&presence=1") as tab,
        ):
            await first.until_live()
            await tab.until_live()
            patch = {"profile": {"live": self.words["live"]}}
            await tab.send({"type": "commit", "id": self.words["commit-id"], "patch": patch})
            assert (await tab.answer(self.words["commit-id"]))["type"] == "committed"
            await tab.until(lambda tab: self.words["live"] in json.dumps(tab.document, ensure_ascii=False))

    async def _end(self, client: httpx.AsyncClient, native: Opened) -> None:
        body = json.dumps({"detail": self.words["reason"]})
        async with as_service(self._node) as service, await open_tab(self._node, native.token) as tab:
            await tab.until_live()
            headers = {"Content-Type": "application/json"}
            gone = await service.request("DELETE", f"/v1/sessions/{native.sid}", content=body, headers=headers)
            assert gone.status_code == 204
            await tab.until_closed()
            self.answers.append(json.dumps(tab.frames).encode())
        leaving = {"Origin": self._node.url, "X-Hub-CSRF": "1"}
        assert (await client.post("/auth/logout?everywhere=1", headers=leaving)).status_code == 204


def good_but_cookie(answer: httpx.Response, status: int = 200) -> Any:
    """The body of an answer that must be good."""
    assert answer.status_code == status, answer.text
    return answer.json()
