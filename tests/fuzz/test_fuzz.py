"""No input is anything but answered or refused; here in a short form, ``make fuzz`` goes on for minutes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.everything import HERE, with_a_hub
from tests.fuzz.running import run
from tests.fuzz.targets import Target
from tests.support.nodes import Cluster

SECONDS = 0.4
REMOTE = ["request headers", "query", "path", "document", "log-out form", "back-channel form", "batch",
          "HTTP on the wire",
          "frames of a tab"]  # fmt: skip


@pytest.mark.parametrize("target", HERE, ids=lambda target: target.name)
def test_no_input_crashes_a_function(target: Target) -> None:
    """A documented refusal, or an answer that keeps what it promises, soon."""
    outcome = run(target, SECONDS)
    assert outcome.inputs
    assert not outcome.crash, f"{outcome.crashing_input!r}\n{outcome.crash}"


@pytest.fixture(scope="module")
def remote(hub_cluster: Cluster) -> Iterator[dict[str, Target]]:
    with with_a_hub(hub_cluster) as targets:
        yield {target.name: target for target in targets}


@pytest.mark.edge
@pytest.mark.parametrize("name", REMOTE)
def test_no_input_is_the_hubs_own_fault(remote: dict[str, Target], name: str) -> None:
    """Never a 5xx, a traceback, a hang or a connection closed without a reason."""
    assert set(remote) == set(REMOTE)
    outcome = run(remote[name], SECONDS)
    assert outcome.inputs
    assert not outcome.crash, f"{outcome.crashing_input!r}\n{outcome.crash}"
