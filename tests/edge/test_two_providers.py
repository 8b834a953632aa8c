"""Where several identity providers are configured, a ``sub`` alone names nobody."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node
from tests.support.provider import Provider
from tests.support.tabs import Opened, as_service, as_user, bearer, log_in

pytestmark = pytest.mark.edge


@pytest.fixture(scope="module")
def other_provider() -> Iterator[Provider]:
    """A second issuer."""
    with Provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def both(hub_cluster: Cluster, other_provider: Provider) -> Node:
    """A node that knows both issuers."""
    return hub_cluster.node(
        HUB_IDENTITY_PROVIDERS__OTHER__ISSUER=other_provider.issuer,
        HUB_IDENTITY_PROVIDERS__OTHER__CLIENT_ID="hub",
    )


async def _log_in_elsewhere(node: Node, provider: Provider, user: str) -> Opened:
    async with httpx.AsyncClient(base_url=node.url) as client:
        said = good(await client.post("/v1/sessions", headers=bearer(provider.token(user))), 201)
    return Opened(said["sid"], said["token"], said["position"], said["user"])


async def test_a_namesake_at_another_provider_sees_and_ends_nothing(
    hub_cluster: Cluster, both: Node, other_provider: Provider
) -> None:
    """Two people with one ``sub``: neither lists nor ends the other's sessions."""
    one = await log_in(hub_cluster, both, "namesake")
    two = await _log_in_elsewhere(both, other_provider, "namesake")
    async with as_user(both, two) as second:
        said = good(await second.get("/v1/users/namesake/sessions"))
        assert [(each["sid"], each["provider"]) for each in said["sessions"]] == [(two.sid, "other")]
        assert good(await second.get("/v1/users/namesake/sessions?provider=other")) == said
        problem(await second.get("/v1/users/namesake/sessions?provider=main"), 403, "forbidden")
        problem(await second.delete("/v1/users/namesake/sessions?provider=main"), 403, "forbidden")
    async with as_user(both, one) as first:
        good(await first.get("/v1/sessions/me"))


async def test_a_service_names_the_provider(hub_cluster: Cluster, both: Node, other_provider: Provider) -> None:
    """400 without it, or with an unknown one; the right sessions with it."""
    one = await log_in(hub_cluster, both, "twofold")
    two = await _log_in_elsewhere(both, other_provider, "twofold")
    async with as_service(both) as service:
        for query in ("", "?provider=third", "?provider="):
            problem(await service.get(f"/v1/users/twofold/sessions{query}"), 400, "malformed")
            problem(await service.delete(f"/v1/users/twofold/sessions{query}"), 400, "malformed")
        problem(await service.get("/v1/sessions?user=twofold"), 400, "malformed")
        for name, opened in (("main", one), ("other", two)):
            said = good(await service.get(f"/v1/users/twofold/sessions?provider={name}"))
            assert [each["sid"] for each in said["sessions"]] == [opened.sid]
        assert good(await service.delete("/v1/users/twofold/sessions?provider=main")) == {"ended": 1}
        assert good(await service.get(f"/v1/sessions/{two.sid}"))["status"] == "live"
