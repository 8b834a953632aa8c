"""Where the doctor is asked (a machine, and a store that is put right again afterwards), and where an auditor works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from hub.store.embedded import EmbeddedStore
from hub.store.keyring import KeyRing
from tests.support.audit_desk import Desk
from tests.support.nodes import Cluster
from tests.support.practice import Practice
from tests.support.stores import test_store


@pytest.fixture
def practice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Practice:
    return Practice(tmp_path, capsys)


@pytest.fixture(scope="module")
def doctors_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A store for the tests of one file."""
    made = test_store(tmp_path_factory.mktemp("store"))
    made.start()
    yield made
    made.close()


@pytest.fixture
def store_url(doctors_store: EmbeddedStore) -> Iterator[str]:
    """The store, as it was started."""
    found = doctors_store.running_url()
    assert found is not None
    with Redis.from_url(found) as outside:
        before = outside.config_get("*")
        yield found
        outside.execute_command("ACL", "DELUSER", "few")
        for name in ("maxmemory-policy", "appendonly", "maxmemory"):
            outside.config_set(name, before[name])


@pytest.fixture
def desk(
    hub_cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The shared store, emptied before."""
    monkeypatch.setenv("HUB_STORE_URL", hub_cluster.url_for_hubs)
    monkeypatch.setenv("HUB_KEYS__FILE", str(hub_cluster.ring))
    made = Desk(hub_cluster, capsys, tmp_path, KeyRing.load(hub_cluster.ring))
    made.outside.flushall()
    yield made
    made.outside.close()
