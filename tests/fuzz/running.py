"""Fuzzing for a time: batches of inputs until it is over, a count of them, and the smallest input that crashed."""

from __future__ import annotations

import random
import time
import traceback
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.targets import SLOWEST_SECONDS, Target

BATCH = 200
PHASES = (Phase.generate, Phase.shrink)


@dataclass
class Outcome:
    """What came of one target."""

    name: str
    inputs: int = 0
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    crash: str = ""
    crashing_input: Any = None


def run(target: Target, seconds: float) -> Outcome:
    """Fuzz ``target`` for ``seconds``; stops at the first crash."""
    outcome, began = Outcome(target.name), time.monotonic()
    while not outcome.crash and time.monotonic() - began < seconds:
        _batch(target, outcome, began + seconds)
    outcome.seconds = time.monotonic() - began
    return outcome


def _batch(target: Target, outcome: Outcome, deadline: float) -> None:
    failures: list[Any] = []  # the last is the smallest

    @seed(random.getrandbits(64))
    @settings(max_examples=BATCH, deadline=None, database=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def attempt(value: Any) -> None:
        if not failures and time.monotonic() > deadline:
            return
        outcome.inputs += 1
        began = time.thread_time()
        try:
            target.attempt(value)
            spent = time.thread_time() - began
            assert spent < SLOWEST_SECONDS, f"took {spent:.2f} s"
        except Exception:
            failures.append(value)
            raise
        outcome.slowest_seconds = max(outcome.slowest_seconds, spent)

    try:
        attempt()
    except Exception:  # noqa: BLE001 (a crash of any kind is what is looked for)
        outcome.crash, outcome.crashing_input = traceback.format_exc(), failures[-1] if failures else None
