"""The contract under load while parts fail; and for each fault, that the checker would have seen a violation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.stage import Fault, perform

pytestmark = [pytest.mark.faults, pytest.mark.one_server, pytest.mark.timeout(120)]

faults = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


@faults
async def test_the_contract_holds(fault: Fault, row: Callable[[str], Any]) -> None:
    """All properties of the checker, while this happens again and again."""
    stage, found = await perform(fault, is_control=False)
    line = row(fault.name)
    line.operations, line.injected, line.violations = stage.load.operations, stage.injected, len(found)
    assert not found, found[:5]
    assert stage.injected
    assert stage.ending.recorded.ended is not None
    assert len(stage.living.recorded.acknowledged) > 20


@faults
async def test_the_checker_objects_when_the_mechanism_is_off(fault: Fault, row: Callable[[str], Any]) -> None:
    """Negative control. What the fault meets is chance, so a load that it missed is run again, twice at most."""
    found: list[str] = []
    for _ in range(3):
        _, found = await perform(fault, is_control=True)
        if caught := [fact for fact in found if f" {fault.breaks}: " in fact]:
            break
    row(fault.name).control = f"caught by {fault.breaks}" if caught else "NOT CAUGHT"
    assert caught, found[:5]
