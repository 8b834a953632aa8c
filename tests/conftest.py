"""Fixtures of all rings: one cluster a test process, with one node that tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.nodes import Cluster, Node, cluster

pytest_plugins = ["tests.faults.summary"]


@pytest.fixture(scope="session")
def hub_cluster() -> Iterator[Cluster]:
    """A store and an issuer for tests that do not break anything."""
    with cluster() as made:
        yield made


@pytest.fixture(scope="session")
def node(hub_cluster: Cluster) -> Node:
    """A node for tests that do not break anything."""
    return hub_cluster.node()
