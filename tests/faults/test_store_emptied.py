"""A store that forgot everything: what no record proves is not trusted, by nobody and nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from tests.faults.lengths import HURRY
from tests.faults.stage import CRIPPLED
from tests.support.nodes import Cluster, cluster
from tests.support.tabs import as_user, log_in, open_tab

pytestmark = pytest.mark.faults


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A store to empty."""
    with cluster() as made:
        yield made


async def test_a_tab_of_a_forgotten_session_is_closed_and_its_token_opens_nothing(own_cluster: Cluster) -> None:
    """4501 once the position check has looked twice, without an ``ended`` that nobody recorded."""
    node = own_cluster.node(CRIPPLED, CRIPPLES=HURRY)
    opened = await log_in(own_cluster, node)
    async with await open_tab(node, opened.token) as tab, as_user(node, opened) as user:
        await tab.until_live()
        async with Redis.from_url(own_cluster.store_url) as store:
            await store.flushall()
        assert (await user.get("/v1/sessions/me")).json()["code"] == "unauthenticated"
        await tab.until_closed(30)
        assert tab.code == 4501
        assert "ended" not in tab.types
