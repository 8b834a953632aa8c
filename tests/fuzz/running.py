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


def run(target: Target, seconds: float, *, start: int | None = None) -> Outcome:
    """Fuzz ``target`` for ``seconds``; stops at the first crash. ``start`` seeds the first batch."""
    outcome, began = Outcome(target.name), time.monotonic()
    number = random.getrandbits(32) if start is None else start
    while not outcome.crash and time.monotonic() - began < seconds:
        _batch(target, outcome, number, began + seconds)
        number += 1
    outcome.seconds = time.monotonic() - began
    return outcome


def _batch(target: Target, outcome: Outcome, number: int, deadline: float) -> None:
    @seed(number)
    @settings(max_examples=BATCH, deadline=None, database=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def attempt(value: Any) -> None:
        if not outcome.crash and time.monotonic() > deadline:
            return
        outcome.inputs += 1
        began = time.thread_time()
        try:
            target.attempt(value)
        except Exception:
            outcome.crashing_input = value
            raise
        spent = time.thread_time() - began
        outcome.slowest_seconds = max(outcome.slowest_seconds, spent)
        assert spent < SLOWEST_SECONDS, f"took {spent:.2f} s"

    try:
        attempt()
    except Exception:  # noqa: BLE001 (a crash of any kind is what is looked for)
        outcome.crash = traceback.format_exc()
