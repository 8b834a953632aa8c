"""A provider over real HTTP, and what the hub asks it with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from hub.identity.fetching import new_client
from tests.identity.minting import ec_key
from tests.identity.servers import Server, publish


@pytest.fixture
def server() -> Iterator[Server]:
    """A provider that answers, and publishes one key."""
    with Server() as started:
        publish(started, ec_key().jwk)
        yield started


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """What the hub asks it with."""
    async with new_client() as made:
        yield made
