"""What is fuzzed: a name, what its inputs look like, and what must hold for each.

A target's ``attempt`` takes any input. A documented refusal (``HubError`` below 500, or what the function says it
raises) is an answer like any other; whatever else is raised is a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from hub.errors import HubError

SLOWEST_SECONDS = 0.5
"""Of processor time, for one input; ordinary ones take less than a thousandth of it."""


@dataclass(frozen=True)
class Target:
    """One thing to be fuzzed. ``is_remote``: it needs a running node."""

    name: str
    inputs: st.SearchStrategy[Any]
    attempt: Callable[[Any], None]
    is_remote: bool = False


@contextmanager
def refusals(*documented: type[Exception]) -> Iterator[None]:
    """Where an input may be refused."""
    try:
        yield
    except documented:
        return
    except HubError as error:
        if error.status >= 500:
            raise AssertionError("refused as the hub's own fault") from error
