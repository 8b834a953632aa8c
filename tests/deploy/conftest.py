"""What several files of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.many_servers import ManyServers, many_servers


@pytest.fixture(scope="package")
def cluster() -> Iterator[ManyServers]:
    """Six servers that speak TLS, joined by the compose file's own service."""
    with many_servers("cluster", is_tls=True) as made:
        for name in made.servers:
            made.start(name)
        done = made.run("cluster")
        assert done.returncode == 0, done.stdout + done.stderr
        yield made
