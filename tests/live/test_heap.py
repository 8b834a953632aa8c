"""Garbage collections leave connections alone, and yet nothing is kept for ever."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from hub.live import heap as module
from hub.live.heap import LEAST_GONE, OPENED_AT_A_TIME, Heap


class Held:
    """Something that refers to itself, as an open connection does."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """This process is no node."""
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def open_some(heap: Heap) -> list[Held]:
    """As many connections as are set aside together."""
    held = [Held() for _ in range(OPENED_AT_A_TIME)]
    for _ in held:
        heap.opened()
    return held


def test_what_is_opened_is_walked_through_by_no_later_collection() -> None:
    """Nothing that is open is among the objects of any generation."""
    heap = Heap()
    heap.take_over()
    held = open_some(heap)
    tracked = {id(each) for each in gc.get_objects()}
    assert not tracked & {id(each) for each in held}
    assert gc.get_threshold()[2] > 1_000_000


def test_garbage_among_it_goes_when_as_many_have_gone() -> None:
    """A cycle that was set aside stays for a while, not for ever."""
    heap = Heap()
    held = open_some(heap)
    last = weakref.ref(held[-1])
    held.clear()
    heap.sweep()
    assert last() is not None, "nothing had to be set aside"
    for _ in range(LEAST_GONE):
        heap.gone(left=0)
    assert last() is None


def test_while_more_are_open_nothing_is_walked_through() -> None:
    """The price of one full collection is shared by as many as it walks through."""
    heap = Heap()
    open_some(heap)
    frozen = gc.get_freeze_count()
    for _ in range(LEAST_GONE):
        heap.gone(left=2 * LEAST_GONE)
    assert gc.get_freeze_count() >= frozen - OPENED_AT_A_TIME


def test_cycles_that_are_not_set_aside_go_at_the_next_sweep() -> None:
    """Those of requests, for example."""
    heap = Heap()
    heap.take_over()
    garbage = weakref.ref(Held())
    heap.sweep()
    assert garbage() is None


def test_a_sweep_that_takes_long_sets_aside_and_garbage_there_goes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where much lives for long that is no connection."""
    monkeypatch.setattr(module, "LONGEST_SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(module, "MOST_SWEEPS", 3)
    heap = Heap()
    heap.take_over()
    held = Held()
    heap.sweep()
    assert id(held) not in {id(each) for each in gc.get_objects()}
    garbage = weakref.ref(held)
    del held
    heap.sweep()
    assert garbage() is not None
    heap.sweep()
    assert garbage() is None
