"""Where the doctor is asked: a machine with a configuration, and a store that is put right again afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from hub.store.embedded import EmbeddedStore
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
    made.stop()


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
