"""Servers and sentinels among themselves, with their own files, on a program that speaks TLS.

That they have found each other says that each got through to each; here, that nobody else does.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from tests.deploy.many_servers import ManyServers, is_answered_in_the_open, many_servers
from tests.deploy.sentinel_site import start_servers

pytestmark = [pytest.mark.proxies, pytest.mark.redis_server]


@pytest.fixture(scope="module")
def replicated() -> Iterator[ManyServers]:
    """Three servers and three sentinels that know each other."""
    with many_servers("sentinel", is_tls=True) as made:
        start_servers(made)
        yield made


def test_servers_and_sentinels_say_nothing_in_the_open(replicated: ManyServers) -> None:
    """And are who they say: who trusts another authority gets no connection. Their health checks get through."""
    for name in replicated.servers:
        assert not is_answered_in_the_open(replicated, name), name
        address, port = replicated.address(name), replicated.port(name)
        stranger = Redis(host=address, port=port, ssl=True, retry=Retry(NoBackoff(), 0))
        with stranger, pytest.raises(RedisConnectionError, match="certificate"):
            stranger.ping()
        assert replicated.health(name) == 0


def test_passwords_that_servers_write_down_are_their_own(replicated: ManyServers) -> None:
    """What ``own.conf`` holds is for its owner alone."""
    for name in replicated.servers:
        file = replicated.folder / f"{name}-data" / "own.conf"
        assert file.stat().st_mode & 0o077 == 0, name
