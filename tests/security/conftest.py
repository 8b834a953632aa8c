"""Fixtures of the table: a hub with apps behind it, shared by what does not break it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.gate import Gate, gate_of
from tests.support.nodes import Cluster


@pytest.fixture(scope="module")
def shared_gate(hub_cluster: Cluster) -> Iterator[Gate]:
    """One node and two apps for the tests of a file."""
    with gate_of(hub_cluster) as gate:
        yield gate


@pytest.fixture
def gate(shared_gate: Gate) -> Gate:
    """The same, with apps that have not been asked anything."""
    shared_gate.forget()
    return shared_gate
