"""Storms on more machines than there are: tabs, nodes that open them one after the other, and the client's own law.

Pure and quick: what a node does with an opening is one number, measured (``scale.json``). A node opens in the order of
arrival and turns away whoever would wait for too long; a tab that is turned away comes back at a random moment of a
window that doubles from 0.2 s to 20 s; a balancer sends every attempt to any node that lives. The same run with two
nodes can be held against a storm that was measured.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

from hub.live.admission import LONGEST_WAIT_SECONDS
from tests.support.crowd_tab import FIRST_WINDOW_SECONDS, LAST_WINDOW_SECONDS
from tests.support.pace import percentile

OTHERS = 0.25  # of a node's core goes on serving those who were there before


@dataclass(frozen=True)
class Back:
    """When the tabs were live again, in seconds, and how many attempts were turned away."""

    p50: float
    p99: float
    last: float
    refused: int


def storm(tabs: int, nodes: int, opening_us: float, *, window_seconds: float = FIRST_WINDOW_SECONDS) -> Back:
    """So many tabs come to so many nodes: the first time within ``window_seconds``, as a close with 4001 says."""
    chance = random.Random(tabs)
    busy_seconds = opening_us / 1e6 / (1 - OTHERS)
    free_at, live, refused = [0.0] * nodes, list[float](), 0
    coming = [(chance.random() * window_seconds, 0) for _ in range(tabs)]
    heapq.heapify(coming)
    while coming:
        at, failures = heapq.heappop(coming)
        node = chance.randrange(nodes)
        begins = max(at, free_at[node])
        if begins - at > LONGEST_WAIT_SECONDS:
            refused += 1
            window = min(LAST_WINDOW_SECONDS, FIRST_WINDOW_SECONDS * 2 ** (failures + 1))
            heapq.heappush(coming, (at + chance.random() * window, failures + 1))
            continue
        free_at[node] = begins + busy_seconds
        live.append(free_at[node])
    return Back(percentile(live, 0.5), percentile(live, 0.99), max(live), refused)
