"""Threats from neighbours: apps that would like to hear what another may, and keys that two callers choose alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.contexts import as_app, context_token
from tests.support.granted import HIDDEN, KEY, NAMED, RIGHTS, SEED, hides, stage, two_apps, without_at
from tests.support.nodes import Cluster, Node
from tests.support.tabs import as_user, bearer, log_in, merge, open_tab, open_with

pytestmark = pytest.mark.edge


@pytest.fixture(scope="module")
def gateway(hub_cluster: Cluster) -> Iterator[Node]:
    with two_apps(hub_cluster) as made:
        yield made


async def test_43_an_app_hears_nothing_of_what_only_another_app_may_see(hub_cluster: Cluster, gateway: Node) -> None:
    """App b commits to a section only it may read. Over its WebSocket, its event stream, the gateway's context token
    and as a tab of the app, a sees an empty change: no value, key, actor or id. b sees all of it."""
    opened = await log_in(hub_cluster, gateway)
    a, b = [await context_token(gateway, opened, name) for name in ("a", "b")]
    async with AsyncExitStack() as stack:
        of_a = [
            await stack.enter_async_context(await open_tab(gateway, a, opened.sid)),
            await stack.enter_async_context(await open_tab(gateway, opened.token, query="?app=a")),
            await stack.enter_async_context(await open_with(gateway, {**bearer(a)}, "me")),
        ]
        of_b = await stack.enter_async_context(await open_tab(gateway, b, opened.sid))
        for tab in (*of_a, of_b):
            await tab.until_live()
        client_a, client_b = [await stack.enter_async_context(as_app(gateway, token)) for token in (a, b)]
        stream = await stack.enter_async_context(client_a.stream("GET", "/v1/sessions/me/events"))
        done = good(await merge(client_b, "me", {"secret": {KEY: HIDDEN}}, **NAMED))
        last = good(await merge(client_a, "me", {"profile": {"name": "the last one"}}))
        for tab in (*of_a, of_b):
            await tab.until(lambda tab: tab.position == last["position"])
        for tab in of_a:
            (empty,) = [frame for frame in tab.frames if frame.get("position") == done["position"]]
            assert empty == without_at(empty, done)
            assert tells_nothing(json.dumps(tab.frames))
        assert tells_nothing(await events_until(stream, "the last one"))
        read = [
            await client_a.get(f"/v1/sessions/me/{what}") for what in ("document", f"changes?since={opened.position}")
        ]
        assert all(tells_nothing(answer.text) for answer in read)
        (full,) = [frame for frame in of_b.frames if frame.get("position") == done["position"]]
        assert (full["actor"], full["commit"]) == ("app:b", NAMED["Idempotency-Key"])
        assert full["ops"] == [{"op": "add", "path": "/secret", "value": {KEY: HIDDEN}}]


def tells_nothing(text: str) -> bool:
    """Whether a text hides what b did, and that it was b."""
    return hides(text) and "app:b" not in text and NAMED["Idempotency-Key"] not in text


async def events_until(stream: httpx.Response, word: str) -> str:
    """What an event stream says, up to a word."""
    said = ""
    async for piece in stream.aiter_text():
        said += piece
        if word in said:
            return said
    raise AssertionError(f"the stream ended without {word}")


async def test_43_an_apps_context_token_holds_its_own_sections_only(hub_cluster: Cluster, gateway: Node) -> None:
    """What a is handed for a request names and shows what a may see: nothing of b's section."""
    from jose import jwt

    async with stage(hub_cluster, gateway) as on:
        tokens = {app: await context_token(gateway, on.opened, app) for app in ("a", "b")}
        claims = {app: jwt.get_unverified_claims(token) for app, token in tokens.items()}
        assert hides(json.dumps(claims["a"]))
        assert (claims["a"]["grants"], claims["a"]["document"].keys()) == (RIGHTS["app"], {"profile", "cart"})
        assert claims["b"]["document"]["secret"] == SEED["secret"]


async def test_68_an_idempotency_key_is_its_actors_own(hub_cluster: Cluster, gateway: Node) -> None:
    """The same key of user, app and services are different commits; each is answered its own again, none sees or blocks
    another's, and in another session of the same user it is new."""
    key, other_session = {"Idempotency-Key": "the-same-key"}, await log_in(hub_cluster, gateway)
    async with stage(hub_cluster, gateway) as on, as_user(gateway, other_session) as elsewhere:

        async def commit(who: str, **section: str) -> httpx.Response:
            return await merge(on.callers[who], on.opened.sid, {"profile": section or {who: f"of {who}"}}, **key)

        first = {who: await commit(who) for who in ("user", "app", "writer")}
        first["elsewhere"] = await merge(elsewhere, "me", {"profile": {"elsewhere": "x"}}, **key)
        for who, answer in first.items():
            assert "Idempotency-Replayed" not in answer.headers, who
            assert [op["path"] for op in good(answer)["ops"]] == [f"/profile/{who}"], who
        for who in ("user", "app", "writer"):
            again = await commit(who)
            assert again.headers["Idempotency-Replayed"] == "true", who
            assert good(again) == good(first[who]), who
            other_body = await commit(who, other="1")
            assert "of " not in json.dumps(problem(other_body, 422, "idempotency_mismatch"))
        assert {"user", "app", "writer"} < (await on.document())["profile"].keys()
