"""The primary dies under load, and sentinels promote a replica: nothing acknowledged is lost, or the loss is seen."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from hub.core.json import equal
from tests.faults.busy import BACK_SECONDS
from tests.faults.lengths import IS_LONG
from tests.faults.promoted import FEED_SECONDS, QUIET_SECONDS, Promoted, stage
from tests.support.answers import good, problem
from tests.support.histories import documents, losses_are_told, lost_of
from tests.support.load import Track
from tests.support.tabs import MERGE, as_service, as_user, log_in, merge
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600 if IS_LONG else 90)]

FAILOVERS = {1: 20, 2: 20} if IS_LONG else {1: 1, 2: 2}  # by the number of replicas
FROZEN_SECONDS = 10.0 if IS_LONG else 0.0  # at least; and until another one is the primary
QUEUE = 40  # commits of one session at once
QUEUE_SECONDS = 6.0  # no more than two commits that wait one after the other would take, and some
LOST = 20
CONTROL_QUIET_SECONDS = 1.0


@pytest.mark.parametrize("replicas", [1, 2])
async def test_nothing_acknowledged_is_lost_when_all_replicas_confirm(replicas: int, row: Callable[[str], Any]) -> None:
    """Failover after failover, under load: every property of the checker holds, and an end stays one."""
    count = FAILOVERS[replicas]
    async with stage(f"replicated:{replicas}", replicas=replicas) as made:
        living, ending = await made.living(), await made.ending()
        async with made.busy(living, ending):
            for number in range(count):
                await made.store.fail_over(is_last=number == count - 1)
                if number == 0:
                    await made.load.end(ending, 0, FEED_SECONDS)
                await made.until_more(20)
        found = await made.settle()
        note(row(f"failover, replicated:{replicas}"), made, found, count)
        assert not found, found[:5]
        assert len(living.recorded.acknowledged) >= 20 * count


def note(line: Any, made: Promoted, found: list[str], injected: int) -> None:
    """In the table."""
    line.operations, line.injected, line.violations = made.load.operations, injected, len(found)


async def test_what_replicas_do_not_confirm_is_not_acknowledged(row: Callable[[str], Any]) -> None:
    """The replicas have fallen behind, then one of them is promoted: callers were told 503 ``unconfirmed``, all of a
    queue in the time of one, and what they send again under the same key is done once, and done for good. An end that
    no replica had is made again."""
    async with stage("replicated:2") as made:
        living, ending = await made.living(), await made.ending()
        async with made.busy(living, ending), as_service(made.nodes[0]) as service:
            once = Once(service, (await log_in(made.load.cluster, made.nodes[0], "linus")).sid)
            behind = await made.fall_behind()
            began = time.monotonic()
            for answer in await asyncio.gather(*(once.ask(f"key-{number}") for number in range(QUEUE))):
                problem(answer, 503, "unconfirmed")
            assert time.monotonic() - began < QUEUE_SECONDS
            await made.load.end(ending, 0, FEED_SECONDS)
            await made.store.fail_over(behind, is_last=True)
            await made.until_more(20)
            await eventually(once.is_done, BACK_SECONDS)  # this node may come back a moment after the other
            assert [await made.load.look(ending, number) for number in range(2)] == [False, False]
        found = await made.settle()
        note(row("replicas behind"), made, found, 1)
        assert not found, found[:5]
        assert made.load.retried


class Once:
    """Commits to a session of its own, of which the first counts under whichever key it is asked again."""

    def __init__(self, service: Any, sid: str) -> None:
        self._service, self._path = service, f"/v1/sessions/{sid}/document"

    async def ask(self, key: str) -> Any:
        """Once."""
        headers = {"Content-Type": MERGE, "Idempotency-Key": key}
        return await self._service.patch(self._path, content=b'{"profile": {"once": 1}}', headers=headers, timeout=30)

    async def is_done(self) -> bool:
        """Whether it is acknowledged by now."""
        return bool((await self.ask("key-0")).status_code == 200)


async def test_without_confirmation_and_repetition_the_checker_objects(row: Callable[[str], Any]) -> None:
    """Negative control: commits are acknowledged that no replica has, and ends are left to whoever was promoted."""
    async with stage("replicated:2", lacks=("trusting,unrepeated", "trusting,unrepeated")) as made:
        living, ending = await made.living(), await made.ending()
        async with made.busy(living, ending):
            behind = await made.fall_behind()
            await made.until_more(LOST)
            await made.load.end(ending, 0, FEED_SECONDS)
            await made.store.fail_over(behind, is_last=True)
            await made.until_more(10)
            assert await made.load.look(ending, 0)
        found = await made.settle(CONTROL_QUIET_SECONDS)
        caught = [name for name in ("nothing_lost", "end_is_final") if any(f" {name}: " in fact for fact in found)]
        for name in ("failover, replicated:1", "failover, replicated:2", "replicas behind"):
            row(name).control = f"caught by {', '.join(caught)}" if caught else "NOT CAUGHT"
        assert caught == ["nothing_lost", "end_is_final"], found[:5]


async def lose_what_was_acknowledged(
    made: Promoted, quiet_seconds: float = QUIET_SECONDS
) -> tuple[Track, set[str], list[str]]:
    """Replicas that did not get what was acknowledged are promoted, and nobody commits any more. The session, what it
    lost, and what does not hold beside that: of lost commits no order is promised, so they are taken off the record."""
    track = await made.living()
    async with made.busy(track):
        behind = await made.fall_behind()
        await made.until_more(LOST)
    last = track.recorded.acknowledged[-1].position
    assert all([await copy.until_at(last, QUIET_SECONDS) for copy in track.copies])
    await made.store.fail_over(behind, is_last=True)
    await made.until_ready()
    await made.settle(quiet_seconds)
    recorded = track.recorded
    gone = lost_of(recorded)
    lost = {each.position for each in gone}
    recorded.acknowledged = [each for each in recorded.acknowledged if each not in gone]
    recorded.reads = [each for each in recorded.reads if each.position not in lost]
    found = await made.settle(quiet_seconds)
    return track, lost, [*found, *losses_are_told(recorded, lost)]


async def test_a_loss_with_local_durability_is_seen_by_every_tab(row: Callable[[str], Any]) -> None:
    """Tabs show what the store has, not what it lost: each is told by a snapshot, and the next commit goes on there.
    The negative control, beside it: tabs that are not told to read again go on showing what is lost."""
    await asyncio.gather(see_a_loss(row("failover, local")), do_not_see_a_loss(row("failover, local")))


async def see_a_loss(line: Any) -> None:
    """As it should be."""
    async with stage("local") as made:
        track, lost, found = await lose_what_was_acknowledged(made)
        note(line, made, found, 1)
        line.figures = f"{len(lost)} acknowledged commits lost, {len(track.copies)} of {len(track.copies)} tabs told"
        assert not found, found[:5]
        assert len(lost) >= LOST
        shown = list(documents(track.recorded).values())[-1]
        for copy in track.copies:
            last = [frame.message for frame in copy.story.frames if frame.message["type"] == "snapshot"][-1]
            assert equal(last["document"]["profile"], shown["profile"])
            assert last["reason"] in ("ahead", "fork", "reload")
        for node in made.nodes:
            async with as_user(node, track.opened) as user:
                assert equal(good(await user.get("/v1/sessions/me/document")), shown)
        async with as_service(made.nodes[1]) as other:
            again = good(await merge(other, track.opened.sid, {"profile": {"again": 1}}))
            assert all([await copy.until_at(again["position"], 5) for copy in track.copies])


async def do_not_see_a_loss(line: Any) -> None:
    """Without the mechanism."""
    async with stage("local", lacks=("deaf,unchecked", "deaf,unchecked")) as made:
        _, lost, found = await lose_what_was_acknowledged(made, CONTROL_QUIET_SECONDS)
        caught = [fact for fact in found if "still shows" in fact]
        line.control = "caught by losses_are_told" if caught else "NOT CAUGHT"
        assert lost
        assert caught, found[:5]


async def stand_still(made: Promoted, seconds: float = 0.0) -> None:
    """SIGSTOP for longer than sentinels wait; then the old primary is back, and does not know that it is deposed."""
    old = await asyncio.to_thread(lambda: made.store.primary)
    old.signal(signal.SIGSTOP)
    await asyncio.gather(asyncio.to_thread(made.store.until_moved, old), asyncio.sleep(seconds))
    old.signal(signal.SIGCONT)
    await made.until_ready()
    await made.until_more(40)


async def test_a_primary_that_stands_still_is_replaced_or_waited_for(row: Callable[[str], Any]) -> None:
    """Nobody is answered from the one that comes back deposed, nothing is lost, and an end is one. The negative
    control, beside it: one node stays with the primary it knows, and trusts it."""
    await asyncio.gather(follow(row("primary frozen")), stay_beside(row("primary frozen")))


async def follow(line: Any) -> None:
    """As it should be."""
    async with stage("replicated:1") as made:
        living, ending = await made.living(), await made.ending()
        async with made.busy(living, ending):
            await stand_still(made, FROZEN_SECONDS)
            await made.load.end(ending, 0, FEED_SECONDS)
        found = await made.settle()
        note(line, made, found, 1)
        assert not found, found[:5]


async def stay_beside(line: Any) -> None:
    """Without the mechanism."""
    async with stage("replicated:1", lacks=("beside", "")) as made:
        async with made.busy(await made.living()):
            await stand_still(made)
        found = await made.settle(CONTROL_QUIET_SECONDS)
        caught = [fact for fact in found if " reads_follow: " in fact]
        line.control = "caught by reads_follow" if caught else "NOT CAUGHT"
        assert caught, found[:5]
