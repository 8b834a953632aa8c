"""Fixtures of the edge: a fresh session for each test, and callers who may touch it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.nodes import READER_KEY, Cluster, Node
from tests.support.tabs import Opened, as_service, as_user, log_in


@pytest.fixture
async def opened(hub_cluster: Cluster, node: Node) -> Opened:
    """A session of Ada's."""
    return await log_in(hub_cluster, node)


@pytest.fixture
async def user(node: Node, opened: Opened) -> AsyncIterator[httpx.AsyncClient]:
    """Ada herself, by bearer."""
    async with as_user(node, opened) as client:
        yield client


@pytest.fixture
async def service(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    """The billing service: may list and end, and write most sections."""
    async with as_service(node) as client:
        yield client


@pytest.fixture
async def reader(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    """A service that may read ``profile``, and nothing more."""
    async with as_service(node, READER_KEY) as client:
        yield client


@pytest.fixture
async def anybody(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    """A caller without a credential."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        yield client
