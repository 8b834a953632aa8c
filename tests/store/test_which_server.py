"""What these tests are about is the server they were asked to run on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.store.conftest import Place
from tests.support.stores import kill, pid_of, program_wanted, test_store

pytestmark = pytest.mark.contract


def name_of(outside: Any) -> str:
    """What a server says it is. Valkey calls itself a Redis too, for old clients, and then gives its name."""
    return str(outside.info("server").get("server_name", "redis"))


def test_the_server_is_the_one_that_was_asked_for(place: Place) -> None:
    """A suite that silently ran on the other one would prove nothing."""
    assert name_of(place.outside()) == program_wanted()


def test_it_comes_back_with_its_data_at_the_same_place(tmp_path: Path) -> None:
    """After a stop, and after ``kill -9``: the same URL, the same server, another process, and what was written."""
    store = test_store(tmp_path)
    url = store.start()
    ways: tuple[Callable[[], None], ...] = (store.stop, lambda: kill(store))
    try:
        for number, goes in enumerate(ways, start=1):
            with Redis.from_url(url) as outside:
                assert outside.incr("runs") == number
            pid = pid_of(store)
            goes()
            assert store.running_url() is None
            assert store.start() == url
            assert pid_of(store) != pid
        with Redis.from_url(url) as outside:
            assert outside.get("runs") == b"2"
            assert name_of(outside) == program_wanted()
    finally:
        store.close()
