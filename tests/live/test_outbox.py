"""The outbox: bounded, in order, and never losing an answer."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.live.outbox import MOST_BYTES, MOST_FRAMES, MOST_REPLIES, Budget, Outbox, Put


def drain(outbox: Outbox) -> list[bytes]:
    """All that is in it."""
    return list(iter(outbox.take, None))


def test_frames_leave_in_the_order_in_which_they_came() -> None:
    """Answers and other frames alike."""
    outbox = Outbox()
    for number in range(10):
        assert (outbox.put if number % 3 else outbox.put_reply)(b"%d" % number) is Put.KEPT
    assert len(outbox) == 10
    assert drain(outbox) == [b"%d" % number for number in range(10)]
    assert outbox.take() is None


def test_too_many_frames_collapse_and_answers_stay() -> None:
    """The frame after the 256th drops all that a snapshot makes up for, itself included."""
    outbox = Outbox()
    outbox.put_reply(b"answer")
    assert {outbox.put(b"x") for _ in range(MOST_FRAMES)} == {Put.KEPT}
    assert outbox.put(b"x") is Put.OVERFLOW
    assert drain(outbox) == [b"answer"]
    assert outbox.put(b"y") is Put.KEPT


def test_too_many_bytes_collapse() -> None:
    """Few large frames are as much as many small ones."""
    outbox = Outbox()
    assert outbox.put(b"first") is Put.KEPT
    assert outbox.put(b"x" * (MOST_BYTES - 1)) is Put.KEPT
    assert outbox.put(b"x") is Put.KEPT
    assert outbox.put(b"x") is Put.OVERFLOW
    assert len(outbox) == 0


def test_a_snapshot_larger_than_the_outbox_gets_through_with_what_follows_it() -> None:
    """Else it would be dropped by its own ``live``, asked for again, and so on for ever."""
    outbox = Outbox()
    snapshot = b"x" * (2 * MOST_BYTES)
    assert outbox.put(snapshot) is Put.KEPT
    assert outbox.put(b"live") is Put.KEPT
    assert outbox.put(b"change") is Put.KEPT
    assert drain(outbox) == [snapshot, b"live", b"change"]


def test_room_comes_back_as_frames_are_taken() -> None:
    """Frames and bytes are counted out again."""
    outbox = Outbox()
    for _ in range(5 * MOST_FRAMES):
        assert outbox.put(b"x" * 5000) is Put.KEPT
        assert outbox.put(b"y") is Put.KEPT
        assert len(drain(outbox)) == 2


def test_too_many_answers_are_refused_not_dropped() -> None:
    """The 257th does not fit; those before it are still there."""
    outbox = Outbox()
    assert {outbox.put_reply(b"r") for _ in range(MOST_REPLIES)} == {Put.KEPT}
    assert outbox.put_reply(b"r") is Put.TOO_MANY_REPLIES
    outbox.collapse()
    assert len(outbox) == MOST_REPLIES
    outbox.clear()
    assert drain(outbox) == []
    assert outbox.put_reply(b"r") is Put.KEPT


steps = st.one_of(
    st.tuples(st.just("put"), st.sampled_from([10, 200_000, 600_000, 2_000_000])),
    st.tuples(st.sampled_from(["reply", "take"]), st.just(10)),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(steps, max_size=60))
def test_the_bounds_hold_whatever_comes(script: list[tuple[str, int]]) -> None:
    """What waits, the first frame and answers aside, has 1 MiB at most; answers come out all and in order."""
    outbox, model = Outbox(), list[tuple[str, int, int]]()
    for number, (step, size) in enumerate(script):
        frame = number.to_bytes(4, "big") + bytes(size)
        if step == "take":
            taken = outbox.take()
            expected = model.pop(0) if model else None
            assert (taken and int.from_bytes(taken[:4], "big")) == (expected and expected[1])
        elif step == "reply":
            assert outbox.put_reply(frame) is Put.KEPT
            model.append((step, number, size))
        elif outbox.put(frame) is Put.KEPT:
            is_first = not any(kind == "put" for kind, _, _ in model)
            model.append((step, number, 0 if is_first else len(frame)))
        else:
            model = [entry for entry in model if entry[0] == "reply"]
        waiting = [length for kind, _, length in model if kind == "put"]
        assert sum(waiting) <= MOST_BYTES
        assert len(outbox) == len(model)


def filled(budget: Budget, count: int = 2) -> Outbox:
    """One whose tab does not read: the first frame is what it is writing."""
    outbox = Outbox(budget)
    assert {outbox.put(b"x" * 100) for _ in range(count)} == {Put.KEPT}
    return outbox


def test_all_outboxes_share_a_budget() -> None:
    """When it is spent, who has something waiting collapses to a snapshot; who has nothing waiting gets its frame."""
    budget = Budget(250)
    slow, slower = filled(budget), filled(budget, 2)
    assert budget.used == 200
    assert Outbox(budget).put(b"x" * 200) is Put.KEPT
    assert slow.put(b"x" * 100) is Put.OVERFLOW
    assert budget.used == 100
    assert slower.put(b"x" * 100) is Put.KEPT
    assert slow.put(b"x" * 10_000) is Put.KEPT
    assert budget.used == 200


Step = st.sampled_from(["put", "reply", "take", "collapse", "clear"])


@given(st.lists(st.tuples(st.integers(0, 2), Step, st.integers(0, 400)), max_size=80))
@settings(deadline=None)
def test_a_budget_knows_what_waits(steps: list[tuple[int, str, int]]) -> None:
    """Whatever is put, taken and dropped: never more than there is, and nothing is left when all is empty."""
    budget = Budget(1000)
    boxes = [Outbox(budget) for _ in range(3)]
    for number, step, size in steps:
        box = boxes[number]
        match step:
            case "put":
                box.put(b"x" * size)
            case "reply":
                box.put_reply(b"x" * size)
            case "take":
                box.take()
            case "collapse":
                box.collapse()
            case "clear":
                box.clear()
        assert 0 <= budget.used <= budget.most
    for box in boxes:
        drain(box)
    assert budget.used == 0
