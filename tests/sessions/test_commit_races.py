"""Commits under pressure: races, guesses, failures. No verdict rests on a guess, and nothing is done twice."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from hub.core.ports import Revision
from hub.errors import (
    Contention,
    HubError,
    Maintenance,
    PatchConflict,
    PositionMismatch,
    SchemaViolation,
    SessionEnded,
    SessionNotFound,
    TooLarge,
    Unconfirmed,
)
from hub.sessions import commit as commit_module
from hub.sessions.commit import Commits, Committed, Intent
from tests.sessions.worlds import BILLING, World, merge, name, ops, user


async def a_stale_guess(elsewhere: Intent, here: Intent | None = None) -> tuple[World, str, Commits]:
    """A node that believes what was true before another node committed ``elsewhere``."""
    world = World()
    made = world.make()
    await world.commits.commit(BILLING, made.sid, here or merge({"cart": [1]}))
    await world.node().commit(BILLING, made.sid, elsewhere)
    return world, made.sid, world.commits


# guesses


IS_DARK = {"op": "test", "path": "/preferences/theme", "value": "dark"}
IS_TWO = {"op": "test", "path": "/cart/0", "value": 2}
CASES: dict[str, tuple[Intent, Intent]] = {
    "patch conflict": (merge({"cart": [1, 2]}), ops({"op": "replace", "path": "/cart/1", "value": 9})),
    "failed test": (merge({"cart": [2]}), ops(IS_TWO, {"op": "remove", "path": "/cart/0"})),
    "missing place": (
        merge({"preferences": {"theme": "dark"}}),
        ops(IS_DARK, {"op": "add", "path": "/preferences/size", "value": 1}),
    ),
    "no change": (merge({"cart": [2]}), merge({"cart": [1]})),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_stale_guess_never_causes_a_refusal(case: str) -> None:
    """What would be refused, or change nothing, on the old record succeeds on the true one."""
    elsewhere, wanted = CASES[case]
    _, sid, commits = await a_stale_guess(elsewhere)
    done = await commits.commit(BILLING, sid, wanted)
    assert done.changed
    assert done.position.revision == 4


async def test_a_stale_guess_never_causes_a_false_412() -> None:
    """The caller names the position another node has just made."""
    world, sid, commits = await a_stale_guess(merge({"cart": [2]}))
    done = await commits.commit(BILLING, sid, name("x", at=world.now(sid).position))
    assert done.changed


async def test_a_size_that_only_a_stale_guess_exceeds_is_no_refusal() -> None:
    """Another node made room meanwhile."""
    _, sid, commits = await a_stale_guess(merge({"secret": None}), merge({"secret": "x" * 3000}))
    assert (await commits.commit(BILLING, sid, merge({"profile": "y" * 2000}))).changed


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        (ops({"op": "remove", "path": "/cart/5"}), PatchConflict),
        (merge({"preferences": {"theme": "blue"}}), SchemaViolation),
        (merge({"cart": "x" * 300}), TooLarge),
    ],
)
async def test_every_refusal_was_preceded_by_a_read(wanted: Intent, kind: type[HubError]) -> None:
    """Even where the guess was right: a fresh record is read before saying no."""
    world = World()
    made = world.make()
    await world.commits.commit(BILLING, made.sid, merge({"cart": [1]}))
    reads = world.store.reads
    with pytest.raises(kind):
        await world.commits.commit(BILLING, made.sid, wanted)
    assert world.store.reads == reads + 1


async def test_a_guess_saves_the_read_of_a_write() -> None:
    """Two commits in a row on one node read the record once."""
    world = World()
    made = world.make()
    for text in ("a", "b", "c"):
        await world.commits.commit(BILLING, made.sid, name(text))
    assert world.store.reads == 1


async def test_what_a_tab_held_when_it_opened_is_only_a_guess() -> None:
    """Its principal carries the session of that moment; a commit with a key is judged by today's."""
    world = World()
    old = world.make()
    await world.node().commit(BILLING, old.sid, merge({"cart": [1, 2]}))
    done = await world.commits.commit(user(old), old.sid, ops({"op": "remove", "path": "/cart/1"}, key="k"))
    assert done.changed


# races


async def test_a_lost_race_applies_the_intent_to_the_newer_document() -> None:
    """Both commits are there: the patch is the intent, not the ops it once became."""
    world = World()
    made = world.make()
    _overtake_once(world)
    done = await world.commits.commit(BILLING, made.sid, ops({"op": "add", "path": "/cart", "value": [2]}))
    assert done.ops == [{"op": "replace", "path": "/cart", "value": [2]}]
    assert done.position.revision == 3


async def test_a_lost_race_under_if_match_is_a_mismatch() -> None:
    """Who insists on a position gets 412 and no second try."""
    world = World()
    made = world.make()
    _overtake_once(world)
    with pytest.raises(PositionMismatch) as caught:
        await world.commits.commit(BILLING, made.sid, name("x", at=made.position))
    assert caught.value.facts["changed_sections"] == ["cart"]


async def test_losing_every_race_for_two_seconds_is_contention(monkeypatch: pytest.MonkeyPatch) -> None:
    """409, retryable; the time is bounded, not the number of tries."""
    monkeypatch.setattr(commit_module, "CONTENTION_SECONDS", 0.05)
    world, number = World(), iter(range(10**6))
    made = world.make()

    def overtake() -> None:
        now = world.now(made.sid)
        revision = world.node().revision(
            BILLING, now, name("x"), world.node().revise(BILLING, now, name(str(next(number))))
        )
        world.store._write(now, revision)

    world.store.before_commit = overtake
    with pytest.raises(Contention) as caught:
        await world.commits.commit(BILLING, made.sid, merge({"cart": [1]}))
    assert caught.value.retryable
    assert "cart" not in world.now(made.sid).document


async def test_two_nodes_and_a_hundred_commits_make_one_history() -> None:
    """Distinct, consecutive positions; each base is another's position; every commit is in it once."""
    world, nodes = World(), [World(), World()]
    made = world.make()
    commits = [Commits(world.store, world.store.chain, each.sections, 1000) for each in nodes]
    wanted = [ops({"op": "add", "path": "/profile/list/-", "value": n}) for n in range(100)]
    await world.commits.commit(BILLING, made.sid, merge({"profile": {"list": []}}))
    done = await asyncio.gather(*(commits[n % 2].commit(BILLING, made.sid, each) for n, each in enumerate(wanted)))
    check_one_history(done, first=2)
    assert sorted(world.now(made.sid).document["profile"]["list"]) == list(range(100))
    history = world.store.histories[made.sid]
    assert [each.position for each in history[2:]] == sorted((each.position for each in done), key=lambda p: p.revision)


async def test_the_same_key_at_once_is_one_change() -> None:
    """Whichever node is first; all get the same answer."""
    world = World()
    made = world.make()
    wanted = ops({"op": "add", "path": "/cart", "value": 1}, key="same")
    nodes = [world.node() for _ in range(4)]
    done = await asyncio.gather(*(nodes[n % 4].commit(BILLING, made.sid, wanted) for n in range(16)))
    assert len({each.position for each in done}) == 1
    assert sum(not each.replayed for each in done) == 1
    assert world.now(made.sid).position.revision == 2


def check_one_history(done: list[Committed], first: int) -> None:
    """Properties 1 and 2 of the contract over acknowledged commits."""
    ordered = sorted(done, key=lambda each: each.position.revision)
    assert [each.position.revision for each in ordered] == list(range(first + 1, first + 1 + len(done)))
    assert all(after.base == before.position for before, after in pairwise(ordered))


# failures and ends


async def test_an_unknown_outcome_is_not_tried_again() -> None:
    """Without a key a second try might commit twice: 503 ``unconfirmed``, and the caller decides."""
    world = World()
    made = world.make()
    for failure in (Unconfirmed(), Maintenance()):
        await world.commits.commit(BILLING, made.sid, merge({"cart": []}))  # leaves a guess, so nothing is read
        world.store.failures = [failure]
        before = world.store.commits
        with pytest.raises(type(failure)):
            await world.commits.commit(BILLING, made.sid, ops({"op": "add", "path": "/cart/-", "value": 1}))
        assert world.store.commits == before
    assert world.now(made.sid).document["cart"] == []


async def test_a_failed_commit_leaves_the_queue_free() -> None:
    """The next one of the session does not wait for ever."""
    world = World()
    made = world.make()
    world.store.failures = [Maintenance()]
    with pytest.raises(Maintenance):
        await world.commits.commit(BILLING, made.sid, name("a"))
    assert (await asyncio.wait_for(world.commits.commit(BILLING, made.sid, name("b")), 1)).changed


async def test_a_session_that_ends_meanwhile_refuses_the_commit() -> None:
    """Also where only a deadline has passed, and where this node's guess is from before."""
    world = World()
    made = world.make()
    await world.commits.commit(BILLING, made.sid, name("a"))
    world.store.clock.ms = made.idle_expires_ms
    with pytest.raises(SessionEnded) as caught:
        await world.commits.commit(BILLING, made.sid, name("b"))
    assert caught.value.facts["reason"] == "idle"
    assert world.now(made.sid).position.revision == 2


async def test_a_session_that_vanishes_meanwhile_is_not_found() -> None:
    """404 after a guess, and no resurrection."""
    world = World()
    made = world.make()
    await world.commits.commit(BILLING, made.sid, name("a"))
    del world.store.sessions[made.sid]
    with pytest.raises(SessionNotFound):
        await world.commits.commit(BILLING, made.sid, name("b"))
    assert made.sid not in world.store.sessions


def _overtake_once(world: World) -> None:
    """Let somebody else commit just before the next commit reaches the store."""
    now = next(iter(world.store.sessions.values()))
    node, wanted = world.node(), merge({"cart": [1]})
    revision: Revision = node.revision(BILLING, now, wanted, node.revise(BILLING, now, wanted))

    def before() -> None:
        world.store.before_commit = lambda: None
        world.store._write(now, revision)

    world.store.before_commit = before
