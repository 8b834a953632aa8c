"""What may be done to a ring, and that whatever is done leaves a ring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.store.keyring import USES, Key, KeyRing, Use
from hub.store.keyring.changes import NoSuchKey, Refused, activate, add, drop
from hub.store.keyring.key import new_key

NOW, LATER = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"
NOWHERE = Path("ring.toml")
ROTATED = [use for use in USES if use != "index"]


def fresh() -> list[Key]:
    return [new_key(use, "active", NOW) for use in USES]


def one(keys: list[Key], use: Use) -> Key:
    return next(key for key in keys if key.use == use)


@pytest.mark.parametrize("use", ROTATED)
def test_a_key_is_next_then_active_then_old_then_gone(use: Use) -> None:
    """Its secret never changes on the way, and each step says since when."""
    keys = fresh()
    first = one(keys, use)
    keys, made = add(keys, use, LATER)
    assert (made.state, made.since, made.use) == ("next", LATER, use)
    keys, chosen, before = activate(keys, use, made.kid, LATER)
    assert (chosen.state, chosen.secret, before.state, before.secret) == ("active", made.secret, "old", first.secret)
    assert (chosen.since, before.since, before.kid) == (LATER, LATER, first.kid)
    keys, again, _ = activate(keys, use, first.kid, LATER)
    assert again.state == "active", "the way back is open"
    keys = drop(keys, use, made.kid)
    assert [key.kid for key in keys if key.use == use] == [first.kid]


def test_the_index_key_is_for_ever() -> None:
    """In words, whatever is asked."""
    keys = fresh()
    kid = one(keys, "index").kid
    asked: list[Callable[[], object]] = [
        lambda: add(keys, "index", NOW),
        lambda: activate(keys, "index", kid, NOW),
        lambda: drop(keys, "index", kid),
    ]
    for ask in asked:
        with pytest.raises(Refused, match="the index key never changes"):
            ask()


def test_what_is_active_or_not_there_is_refused() -> None:
    """The message names what there is."""
    keys = fresh()
    kid = one(keys, "token").kid
    with pytest.raises(Refused, match="is active; activate another one first"):
        drop(keys, "token", kid)
    with pytest.raises(Refused, match="is active already"):
        activate(keys, "token", kid, NOW)
    for ask in (lambda: drop(keys, "token", "none"), lambda: activate(keys, "token", "none", NOW)):
        with pytest.raises(NoSuchKey, match=f"there is no token key 'none'; there is {kid} \\(active\\)"):
            ask()


STEPS = st.lists(st.tuples(st.sampled_from(["add", "activate", "drop"]), st.sampled_from(USES), st.integers(0, 5)))


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_changes_leaves_anything_but_a_ring(steps: list[tuple[str, Use, int]]) -> None:
    """One active key of each use, the same index key, no name twice."""
    keys = FRESH
    for what, use, number in steps:
        there = [key for key in keys if key.use == use]
        kid = there[number % len(there)].kid
        try:
            match what:
                case "add":
                    keys = add(keys, use, NOW)[0] if use != "context" else keys  # those take long to make
                case "activate":
                    keys = activate(keys, use, kid, NOW)[0]
                case _:
                    keys = drop(keys, use, kid)
        except Refused:
            continue
        ring = KeyRing.of(keys, NOWHERE)
        assert ring.index.active == one(FRESH, "index")


FRESH = fresh()
