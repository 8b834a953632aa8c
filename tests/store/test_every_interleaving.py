"""Each script is one step, so every order of steps is every interleaving: all of them, and long ones at random.

The steps know the session as it was at the beginning, like nodes whose knowledge is out of date.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from hub.core.ports import Conflict, Done, IdempotencyKey, Missing, Over, Remembered
from hub.core.session import Session, user_tag
from hub.store.store import Store
from tests.support.sessions import commit, end, opening, read

pytestmark = [pytest.mark.contract, pytest.mark.timeout(120)]

KEY = IdempotencyKey("the-one-key", "service:test", b"body")
LONG_RUNS, LONG_STEPS = 150, 24


@dataclass
class Life:
    """One session, what was asked of it, and what that should have made of it."""

    store: Store
    first: Session
    is_over: bool = False
    written: list[str] = field(default_factory=list)
    siblings: list[str] = field(default_factory=list)

    async def commit(self) -> None:
        """From the first position: it is written if nothing else was, and the session lives."""
        self.judge(await commit(self.store, self.first, cart=len(self.written)))

    async def commit_with_key(self) -> None:
        """The same under a key: written once at most, and remembered whatever comes."""
        self.judge(await commit(self.store, self.first, KEY, cart="keyed"), keyed=True)

    async def commit_on_what_is(self) -> None:
        """From the record as it is now."""
        now = await read(self.store, self.first.sid)
        outcome = await commit(self.store, now, profile=len(self.written))
        assert isinstance(outcome, Over if self.is_over else Done)
        if not self.is_over:
            self.written.append("fresh")

    def judge(self, outcome: object, *, keyed: bool = False) -> None:
        """A stale commit has exactly one right answer."""
        if keyed and "keyed" in self.written:
            assert isinstance(outcome, Remembered)
        elif self.is_over:
            assert isinstance(outcome, Over)
        elif self.written:
            assert isinstance(outcome, Conflict)
        else:
            assert isinstance(outcome, Done)
            self.written.append("keyed" if keyed else "stale")

    async def touch(self) -> None:
        """Slides what lives, and wakes nothing."""
        assert (await self.store.touch(self.first, 600_000) is None) is self.is_over

    async def end(self) -> None:
        """Ends it, once."""
        assert await end(self.store, self.first.sid) == (0 if self.is_over else 1)
        self.is_over = True

    async def end_all(self) -> None:
        """Ends it and whatever else the user has."""
        tag = user_tag(self.first.sid)
        done = await self.store.end_user(tag, "revoked", spared=None, detail="", actor="service:test", request_id="r")
        assert done.count == len(self.siblings) + (not self.is_over)
        self.is_over, self.siblings = True, []

    async def open_another(self) -> None:
        """A new session of the same user, which began after all that was ended before."""
        await asyncio.sleep(0.002)  # not a wait: a log-in that begins in the millisecond of a log-out is refused
        made = await opening(self.store, user=self.first.user).live()
        self.siblings.append(made.sid)

    async def check(self) -> None:
        """The record and the history tell the same story as this one."""
        now = await read(self.store, self.first.sid)
        revisions = 1 + len(self.written) + self.is_over
        assert (now.ending is not None, now.position.revision) == (self.is_over, revisions)
        history = await self.store.changes(now, self.first.position, 256)
        kinds = [change.kind for change in history.changes]
        assert kinds == ["commit"] * len(self.written) + ["end"] * self.is_over
        steps = [self.first.position, *(change.position for change in history.changes)]
        assert [change.base for change in history.changes] == steps[:-1]
        assert steps[-1] == now.position
        assert self.is_over or now.document.get("cart") is not None or "stale" not in self.written


Step = Callable[[Life], Awaitable[None]]
STEPS: Sequence[Step] = (
    Life.commit,
    Life.commit_with_key,
    Life.commit_on_what_is,
    Life.touch,
    Life.end,
    Life.open_another,
)


async def begin(store: Store) -> Life:
    """A fresh session of a user nobody else has."""
    return Life(store, await opening(store).live())


async def test_every_order_of_commit_touch_open_and_end(store: Store) -> None:
    """All 720 orders: no commit after an end, none twice, nothing alive again, the history one chain."""
    for order in itertools.permutations(STEPS):
        life = await begin(store)
        for step in order:
            await step(life)
        await life.check()


async def test_long_lives_at_random(store: Store) -> None:
    """With ends of all sessions of the user among the steps; the seed names the life that failed."""
    for seed in range(LONG_RUNS):
        chosen = random.Random(seed).choices([*STEPS, Life.end_all], [4, 2, 4, 3, 1, 2, 1], k=LONG_STEPS)
        life = await begin(store)
        for step in chosen:
            await step(life)
        await life.check()


async def test_a_session_that_never_was_is_made_by_nothing_but_opening(store: Store) -> None:
    """Commit, touch and end of an unknown sid leave no record behind."""
    life = await begin(store)
    unknown = Session(
        **{name: getattr(life.first, name) for name in Session.__slots__ if name != "sid"},
        sid=store.new_sid("http://issuer.test", "nobody"),
    )
    assert isinstance(await commit(store, unknown, cart=1), Missing)
    assert await store.touch(unknown, 1000) is None
    assert await end(store, unknown.sid) == 0
    assert await store.read(unknown.sid) is None
