"""``python -m tests.fuzz``: every target for its share of ``FUZZ_SECONDS`` (480), and a table of what came of it.

Ends with 1 if an input crashed anything; the input and the traceback are printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tests.fuzz.everything import HERE, with_a_hub
from tests.fuzz.running import Outcome, run
from tests.fuzz.targets import Target
from tests.support.nodes import cluster

DEFAULT_SECONDS = 480.0


def main(wanted: Sequence[str]) -> int:
    """Fuzz all targets, or those whose names contain one of ``wanted``."""
    with cluster() as made, with_a_hub(made) as remote:
        chosen = [each for each in [*HERE, *remote] if not wanted or any(word in each.name for word in wanted)]
        if not chosen:
            print("no target has such a name", file=sys.stderr)
            return 2
        share = float(os.environ.get("FUZZ_SECONDS", DEFAULT_SECONDS)) / len(chosen)
        outcomes = [_tell(run(target, share)) for target in _fast_first(chosen)]
    crashes = sum(bool(outcome.crash) for outcome in outcomes)
    print(f"{len(outcomes)} targets, {sum(outcome.inputs for outcome in outcomes):,} inputs, {crashes} crashes")
    return 1 if crashes else 0


def _fast_first(targets: Sequence[Target]) -> list[Target]:
    return sorted(targets, key=lambda target: target.is_remote)


def _tell(outcome: Outcome) -> Outcome:
    slowest = outcome.slowest_seconds * 1000
    print(
        f"{outcome.name:20} {outcome.inputs:9,} inputs {outcome.seconds:6.1f} s   slowest {slowest:6.1f} ms", flush=True
    )
    if outcome.crash:
        print(f"CRASH with {outcome.crashing_input!r}\n{outcome.crash}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
