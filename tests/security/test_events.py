"""Every security event is written by a real request, once, and says no more than where, which session, and why."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from websockets.exceptions import InvalidStatus

from hub.core.session import user_tag
from hub.store import keys
from hub.telemetry.security import SecurityEvent
from tests.support.answers import good, problem
from tests.support.echo import EchoApp
from tests.support.log_ins import begin, finish
from tests.support.nodes import READER_KEY, Cluster, Node
from tests.support.security_log import SecurityLog
from tests.support.tabs import Opened, as_service, as_user, bearer, log_in, merge, open_tab, open_with

pytestmark = pytest.mark.edge

FACTS = {"event", "level", "logger", "timestamp", "address", "sid", "purpose", "why", "provider", "actor"}


@dataclass
class Scene:
    """A node, a session on it that is live, and its log."""

    cluster: Cluster
    node: Node
    opened: Opened
    log: SecurityLog

    @property
    def page(self) -> dict[str, str]:
        return {"Cookie": f"hub={self.opened.token}", "Origin": self.node.url, "X-Hub-CSRF": "1"}

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(base_url=self.node.url) as made:
            yield made


@pytest.fixture(scope="module")
def strict(hub_cluster: Cluster) -> Iterator[Node]:
    """A node with low limits for what is done once here, and with a provider whose answers are useless."""
    with EchoApp() as nonsense:
        settings: dict[str, Any] = {
            "HUB_IDENTITY_PROVIDERS__ODD__ISSUER": nonsense.url,
            "HUB_IDENTITY_PROVIDERS__ODD__CLIENT_ID": "hub",
            "HUB_LIMITS__COMMITS_PER_SECOND": "1",
            "HUB_LIMITS__MESSAGES_PER_SECOND": "1",
        }
        yield hub_cluster.node(**settings)


@pytest.fixture
async def scene(hub_cluster: Cluster, strict: Node) -> Scene:
    opened = await log_in(hub_cluster, strict)
    return Scene(hub_cluster, strict, opened, SecurityLog(hub_cluster, strict))


Act = Callable[[Scene], Awaitable[object]]


async def log_in_as_a_native_client(on: Scene) -> None:
    await log_in(on.cluster, on.node)


async def log_in_with_a_browser(on: Scene) -> None:
    async with on.client() as client:
        assert (await finish(client, on.cluster, await begin(client), user="ada")).status_code == 303


async def come_back_with_the_same_code(on: Scene) -> None:
    async with on.client() as client:
        asked = await begin(client)
        jar = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        assert (await finish(client, on.cluster, asked, user="ada")).status_code == 303
    async with on.client() as client:
        on.log.text()
        again = await client.get(
            "/auth/callback", params={"state": asked["state"], "code": "x"}, headers={"Cookie": jar}
        )
        assert again.status_code == 400


async def come_back_with_somebody_elses_state(on: Scene) -> None:
    async with on.client() as client:
        asked = await begin(client)
    async with on.client() as other:
        assert (await finish(other, on.cluster, asked, user="ada")).status_code == 400


async def use_a_forged_token(on: Scene) -> None:
    async with on.client() as client:
        problem(await client.get("/v1/sessions/me", headers=bearer("hub_st_x.y")), 401, "unauthenticated")


async def use_a_forged_token_of_the_provider(on: Scene) -> None:
    token = on.cluster.provider.token()[:-6] + "AAAAAA"
    async with on.client() as client:
        problem(await client.post("/v1/sessions", headers=bearer(token)), 401, "unauthenticated")


async def use_a_token_of_the_provider_twice(on: Scene) -> None:
    token = on.cluster.provider.token()
    async with on.client() as client:
        assert (await client.post("/v1/sessions", headers=bearer(token))).status_code == 201
        on.log.text()
        problem(await client.post("/v1/sessions", headers=bearer(token)), 401, "unauthenticated")


async def use_a_ticket_twice(on: Scene) -> None:
    async with as_user(on.node, on.opened) as user:
        ticket = good(await user.post("/v1/sessions/me/tickets"), 201)["ticket"]
    for _ in range(2):
        async with await open_with(on.node, {}, subprotocols=("hub.v1", f"hub.ticket.{ticket}")) as tab:
            await tab.until(lambda tab: bool(tab.frames) or tab.code is not None)


async def say_a_logout_token_twice(on: Scene) -> None:
    token = on.cluster.provider.logout_token(sub="nobody-in-particular")
    async with on.client() as client:
        for status in (200, 400):
            assert (await client.post("/auth/backchannel", data={"logout_token": token})).status_code == status


async def say_a_forged_logout_token(on: Scene) -> None:
    async with on.client() as client:
        assert (await client.post("/auth/backchannel", data={"logout_token": "a.b.c"})).status_code == 400


async def write_without_a_grant(on: Scene) -> None:
    async with as_service(on.node, READER_KEY) as reader:
        problem(await merge(reader, on.opened.sid, {"profile": {"x": 1}}), 403, "forbidden")


async def write_without_a_grant_in_a_batch(on: Scene) -> None:
    line = json.dumps({"sid": on.opened.sid, "patch": {"profile": {"x": 1}}})
    async with as_service(on.node, READER_KEY) as reader:
        answer = await reader.post("/v1/commits", content=line, headers={"Content-Type": "application/x-ndjson"})
        assert '"status":403' in answer.text


async def write_without_a_grant_on_a_tab(on: Scene) -> None:
    async with await open_tab(on.node, on.opened.token) as tab:
        await tab.until_live()
        await tab.send({"type": "commit", "id": "a-commit-without-a-grant", "patch": {"secret": 1}})
        assert (await tab.answer("a-commit-without-a-grant"))["problem"]["status"] == 403


async def follow_as_another_app(on: Scene) -> None:
    async with await open_tab(on.node, on.opened.token, query="?app=nonsense") as tab:
        await tab.until_closed()
        assert tab.code == 4503


async def list_without_a_right(on: Scene) -> None:
    async with as_user(on.node, on.opened) as user:
        problem(await user.get("/v1/sessions"), 403, "forbidden")


async def look_behind_the_masks(on: Scene) -> None:
    operator = await log_in(on.cluster, on.node, "olga", groups=["operators"])
    on.log.text()
    async with on.client() as client:
        headers = on.page | {"Cookie": f"hub={operator.token}"}
        body = {"reason": "the words of an operator"}
        good(await client.post(f"/v1/sessions/{on.opened.sid}/reveal", json=body, headers=headers))


async def commit_without_the_header(on: Scene) -> None:
    async with on.client() as client:
        headers = on.page | {"X-Hub-CSRF": "0"}
        problem(await client.delete("/v1/sessions/me", headers=headers), 403, "csrf")


async def commit_from_elsewhere(on: Scene) -> None:
    async with on.client() as client:
        headers = on.page | {"Origin": "http://evil.test"}
        problem(await client.delete("/v1/sessions/me", headers=headers), 403, "csrf")


async def follow_from_elsewhere(on: Scene) -> None:
    with pytest.raises(InvalidStatus):
        await open_with(on.node, on.page | {"Origin": "http://evil.test"})


async def ask_for_somebody_elses_session(on: Scene) -> None:
    other = await log_in(on.cluster, on.node, "grace")
    on.log.text()
    async with as_user(on.node, on.opened) as user:
        problem(await user.get(f"/v1/sessions/{other.sid}/document"), 404, "session_not_found")


async def commit_too_often(on: Scene) -> None:
    async with as_user(on.node, on.opened) as user:
        good(await merge(user, "me", {"cart": {"n": 1}}))
        problem(await merge(user, "me", {"cart": {"n": 2}}), 429, "rate_limited")


async def talk_too_much(on: Scene) -> None:
    async with await open_tab(on.node, on.opened.token) as tab:
        await tab.until_live()
        for _ in range(3):
            await tab.send({"type": "ping"})
        await tab.until_closed()
        assert tab.code == 4003


async def end_it(on: Scene) -> None:
    async with as_user(on.node, on.opened) as user:
        good(await user.delete("/v1/sessions/me"), 204)


async def use_what_has_ended(on: Scene) -> None:
    await end_it(on)
    on.log.text()
    async with as_user(on.node, on.opened) as user:
        problem(await user.get("/v1/sessions/me"), 401, "session_ended")


async def tamper_with_the_record(on: Scene) -> None:
    async with Redis.from_url(on.cluster.store_url) as store:
        await store.hset(keys.record(on.opened.sid), "doc", b"nonsense")
    async with as_service(on.node) as service:
        problem(await service.get(f"/v1/sessions/{on.opened.sid}"), 404, "session_not_found")


async def forge_a_message(on: Scene) -> None:
    async with await open_tab(on.node, on.opened.token) as tab, Redis.from_url(on.cluster.store_url) as store:
        await tab.until_live()
        said = (keys.channel(user_tag(on.opened.sid)), f"c {on.opened.sid} 9.00000000 forged")
        await store.execute_command("SPUBLISH", *said)  # type: ignore[no-untyped-call]
        await tab.until(lambda tab: tab.types.count("live") == 2)


async def log_in_at_a_provider_that_talks_nonsense(on: Scene) -> None:
    async with on.client() as client:
        assert (await client.get("/auth/login", params={"provider": "odd"})).status_code == 503


E = SecurityEvent
ACTS: dict[Act, list[SecurityEvent]] = {
    log_in_as_a_native_client: [E.SESSION_CREATED, E.AUTHN_LOGIN_SUCCESS],
    log_in_with_a_browser: [E.SESSION_CREATED, E.AUTHN_LOGIN_SUCCESS],
    come_back_with_the_same_code: [E.AUTHN_TOKEN_REUSE],
    come_back_with_somebody_elses_state: [E.AUTHN_LOGIN_FAIL],
    use_a_forged_token: [E.AUTHN_LOGIN_FAIL],
    use_a_forged_token_of_the_provider: [E.AUTHN_LOGIN_FAIL],
    use_a_token_of_the_provider_twice: [E.AUTHN_TOKEN_REUSE],
    use_a_ticket_twice: [E.AUTHN_TOKEN_REUSE],
    say_a_logout_token_twice: [E.AUTHN_TOKEN_REUSE],
    say_a_forged_logout_token: [E.AUTHN_LOGIN_FAIL],
    write_without_a_grant: [E.AUTHZ_FAIL],
    write_without_a_grant_in_a_batch: [E.AUTHZ_FAIL],
    write_without_a_grant_on_a_tab: [E.AUTHZ_FAIL],
    follow_as_another_app: [E.AUTHZ_FAIL],
    list_without_a_right: [E.AUTHZ_FAIL],
    look_behind_the_masks: [E.AUTHZ_ADMIN],
    commit_without_the_header: [E.CSRF_REFUSED],
    commit_from_elsewhere: [E.MALICIOUS_CORS],
    follow_from_elsewhere: [E.MALICIOUS_CORS],
    ask_for_somebody_elses_session: [E.MALICIOUS_DIRECT_REFERENCE],
    commit_too_often: [E.EXCESS_RATE_LIMIT_EXCEEDED],
    talk_too_much: [E.EXCESS_RATE_LIMIT_EXCEEDED],
    end_it: [E.SESSION_EXPIRED],
    use_what_has_ended: [E.SESSION_USE_AFTER_EXPIRE],
    tamper_with_the_record: [E.SESSION_QUARANTINED],
    forge_a_message: [E.CRYPT_DECRYPT_FAIL],
    log_in_at_a_provider_that_talks_nonsense: [E.PROVIDER_ANSWER_USELESS],
}


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
async def test_an_act_is_written_down_once(scene: Scene, act: Act) -> None:
    """Exactly its events, with the caller's address or the session, and nothing beside the facts there are."""
    await act(scene)
    events = scene.log.events()
    assert [event["event"] for event in events] == ACTS[act]
    for event in events:
        assert event.keys() <= FACTS
        assert "words of an operator" not in str(event)
        assert {"address", "sid", "actor"} & event.keys() or event["event"] == E.PROVIDER_ANSWER_USELESS
        assert event.get("address", "127.0.0.1") == "127.0.0.1"


BY_NO_REQUEST = {E.KEY_RING_REFUSED}  # a node that watches its key ring writes it


def test_every_event_is_shown_by_an_act() -> None:
    """None of the list is left out here, but for what no request makes happen."""
    assert {event for events in ACTS.values() for event in events} == set(SecurityEvent) - BY_NO_REQUEST
