"""Back-channel log-out: the provider ends its sessions here, those and no others, once."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.support.nodes import Cluster, Node
from tests.support.tabs import as_user, log_in, open_tab

pytestmark = pytest.mark.edge

EVENT = "http://schemas.openid.net/event/backchannel-logout"


async def order(node: Node, token: str) -> httpx.Response:
    """What a provider sends."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        return await client.post("/auth/backchannel", data={"logout_token": token})


async def test_a_sid_ends_the_sessions_it_opened_and_no_others(hub_cluster: Cluster, node: Node) -> None:
    """Two log-ins of one provider session end; another provider session of the same user stays."""
    ended = [await log_in(hub_cluster, node, "back-a", sid="idp-1") for _ in range(2)]
    stays = await log_in(hub_cluster, node, "back-a", sid="idp-2")
    async with await open_tab(node, ended[0].token) as tab:
        await tab.until_live()
        answer = await order(node, hub_cluster.provider.logout_token(sid="idp-1", sub="back-a"))
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        await tab.until_closed(1.0)
        assert (tab.code, tab.types[-1], tab.frames[-1]["reason"]) == (4500, "ended", "logged_out")
    for opened, status in ((ended[1], 401), (stays, 200)):
        async with as_user(node, opened) as user:
            assert (await user.get("/v1/sessions/me")).status_code == status


async def test_a_sub_alone_ends_all_of_the_user_at_that_provider(hub_cluster: Cluster, node: Node) -> None:
    """Whatever provider session they came from; other users stay."""
    hers = [await log_in(hub_cluster, node, "back-b", sid=sid) for sid in ("idp-3", "idp-4")]
    other = await log_in(hub_cluster, node, "back-c", sid="idp-5")
    assert (await order(node, hub_cluster.provider.logout_token(sub="back-b"))).status_code == 200
    for opened, status in ((hers[0], 401), (hers[1], 401), (other, 200)):
        async with as_user(node, opened) as user:
            assert (await user.get("/v1/sessions/me")).status_code == status


async def test_a_log_in_in_flight_does_not_escape(hub_cluster: Cluster, node: Node) -> None:
    """The provider's session ended before the log-in that it had begun was finished here."""
    token = hub_cluster.provider.token("back-d", sid="idp-6")
    assert (await order(node, hub_cluster.provider.logout_token(sid="idp-6"))).status_code == 200
    async with httpx.AsyncClient(base_url=node.url) as client:
        late = await client.post("/v1/sessions", headers={"Authorization": f"Bearer {token}"})
    assert (late.status_code, late.json()["code"]) == (401, "unauthenticated")


async def test_a_token_counts_once(hub_cluster: Cluster, node: Node) -> None:
    """A replay is refused, and ends nothing that was opened since."""
    token = hub_cluster.provider.logout_token(sub="back-e")
    assert (await order(node, token)).status_code == 200
    assert (await order(node, token)).json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "claims",
    [
        {"events": None},
        {"events": {EVENT: "yes"}},
        {"nonce": "n"},
        {"jti": None},
        {"sub": None},
        {"aud": "other"},
        {"iss": "https://other.example"},
        {"iat": int(time.time()) - 600},
        {"exp": int(time.time()) - 600},
    ],
    ids=lambda claims: next(iter(claims)),
)
async def test_what_is_no_logout_token_is_refused_and_ends_nothing(
    hub_cluster: Cluster, node: Node, claims: dict[str, Any]
) -> None:
    """400 with ``invalid_request``, uncached; the session it names lives on."""
    opened = await log_in(hub_cluster, node, "back-f")
    answer = await order(node, hub_cluster.provider.logout_token(**{"sub": "back-f", **claims}))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.headers["cache-control"] == "no-store"
    async with as_user(node, opened) as user:
        assert (await user.get("/v1/sessions/me")).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"logout_token=",
        b"logout_token=a&logout_token=b",
        b"x=1",
        b"logout_token=a.b.c",
        b"x=1&" * 17 + b"logout_token=a.b.c",
        b"logout_token=%ff\xff.%00.%f0%9f%98%80",
    ],
)
async def test_a_form_without_a_token_is_refused(node: Node, body: bytes) -> None:
    """Never a 5xx."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await client.post("/auth/backchannel", content=body, headers=headers)
        other = await client.post("/auth/backchannel", json={"logout_token": "a.b.c"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert other.status_code == 400


async def test_an_id_token_orders_nothing(hub_cluster: Cluster, node: Node) -> None:
    """Kinds of tokens are not taken for each other."""
    assert (await order(node, hub_cluster.provider.token("back-f"))).status_code == 400
