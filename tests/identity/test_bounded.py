"""A memory that forgets in time and never grows."""

from __future__ import annotations

from hub.identity.bounded import Bounded


def test_entries_live_until_their_deadline() -> None:
    memory: Bounded[str, int] = Bounded(10)
    memory.put("a", 1, until=5)
    assert memory.get("a", 4.9) == 1
    assert memory.get("a", 5) is None
    assert len(memory) == 0
    assert memory.get("b", 0) is None


def test_the_oldest_entries_go_first() -> None:
    memory: Bounded[int, int] = Bounded(3)
    for number in (1, 2, 3):
        memory.put(number, number, until=10)
    memory.put(1, 1, until=10)
    memory.put(4, 4, until=10)
    assert [memory.get(number, 0) for number in (1, 2, 3, 4)] == [1, None, 3, 4]
    memory.clear()
    assert len(memory) == 0
