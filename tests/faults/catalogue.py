"""The faults, one function each, and what is switched off to see the checker object to them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import datetime

from tests.faults.lengths import CHECK_SECONDS, HURRY, IS_LONG
from tests.faults.stage import CRIPPLED, Fault, Stage
from tests.support.histories import revision
from tests.support.tabs import as_user, log_in

FEED_SECONDS = 6.0  # an end whose message is lost with the feed closes connections within that
OUTAGE_SECONDS = (
    10.0 if IS_LONG else 4.6
)  # longer than a call may take, and than its outcome is looked for: the caller is told 503
PAUSE_SECONDS = 0.4
DROPPED_AT_ONCE = 3
SLOW_BYTES = 60_000  # of a commit, and
SLOW_COMMITS = 150  # so many of them are more than all buffers on the way together hold
NEIGHBOUR_BEHIND = 60
LATE_SECONDS = 0.2


async def cut_feeds(stage: Stage) -> None:
    """Every node's feed, again and again."""
    while stage.seconds_left > 2 * PAUSE_SECONDS:
        await stage.cut_feeds()
        await asyncio.sleep(PAUSE_SECONDS)


async def cut_feeds_and_commit(stage: Stage) -> None:
    """The very last change falls into the gap."""
    await stage.cut_feeds()
    await stage.commit()


async def drop_publishes(stage: Stage) -> None:
    """Single changes do not reach the second node, others after them do."""
    while stage.seconds_left > PAUSE_SECONDS:
        stage.proxy.drop_changes += DROPPED_AT_ONCE
        await stage.until(lambda: not stage.proxy.drop_changes or stage.seconds_left < 0)
        await asyncio.sleep(PAUSE_SECONDS / 4)
    stage.injected += stage.proxy.dropped


async def drop_the_last_publish(stage: Stage) -> None:
    """The last change of all does not reach it, and nothing follows that would show the gap."""
    stage.proxy.drop_changes += 1
    await stage.commit()
    await stage.until(lambda: not stage.proxy.drop_changes)
    stage.injected += 1


async def kill_a_node(stage: Stage) -> None:
    """``kill -9``, at a moment when commits of it are in the store whose callers have not heard so."""
    await stage.until_commits(5)
    await _lose_answers(stage)
    stage.nodes[1].kill()
    stage.injected += 1


async def lose_answers(stage: Stage) -> None:
    """The network between a node and its store breaks after the store did as it was told."""
    while stage.seconds_left > PAUSE_SECONDS:
        await stage.until_commits(5)
        await _lose_answers(stage)
        stage.proxy.cut()
        stage.injected += 1
        await asyncio.sleep(PAUSE_SECONDS)


async def _lose_answers(stage: Stage) -> None:
    stage.proxy.lose_the_next_commit = True
    await stage.until(lambda: stage.proxy.is_holding or stage.seconds_left < 0)


async def freeze_store(stage: Stage) -> None:
    """It does not answer for longer than anybody waits, then does what it was told meanwhile: among that, surely,
    a commit whose caller has been told that nobody knows."""
    alone = await stage.load.track("linus", [stage.nodes[1]])
    await asyncio.gather(stage.load.write_blind(alone, 1), _freeze_at_a_commit(stage, alone.opened.sid))


async def _freeze_at_a_commit(stage: Stage, sid: str) -> None:
    pid, is_frozen = stage.store_pid, asyncio.Event()

    def freeze() -> None:
        os.kill(pid, signal.SIGSTOP)
        is_frozen.set()

    stage.proxy.before_commit = (sid, freeze)
    try:
        await is_frozen.wait()
        await asyncio.sleep(OUTAGE_SECONDS)
    finally:
        os.kill(pid, signal.SIGCONT)
    stage.injected += 1


async def restart_store(stage: Stage) -> None:
    """``kill -9`` and a new start on the same file."""
    while stage.seconds_left > 0:
        await stage.until_commits(20)
        stage.kill_store()
        stage.cluster.store.start()
        await asyncio.sleep(max(0.0, min(5.0, stage.seconds_left)))


async def restart_store_without_its_last_writes(stage: Stage) -> None:
    """The control: the file lost its end."""
    await stage.until_commits(20)
    stage.kill_store()
    for file in (stage.cluster.folder / "store" / "appendonlydir").glob("*.incr.aof"):
        os.truncate(file, file.stat().st_size * 3 // 4)
    stage.cluster.store.start()


async def pause_a_reader(stage: Stage) -> None:
    """A tab stops reading until more waits for it than its node keeps; its neighbours hear everything meanwhile."""
    slow, neighbour = stage.living.copies[2], stage.living.copies[1]
    while stage.seconds_left > PAUSE_SECONDS:
        slow.reads.clear()
        await stage.until_commits(SLOW_COMMITS)
        behind = _revision_of_last(stage) - revision(neighbour.position)
        if behind > NEIGHBOUR_BEHIND:
            stage.more.append(f"ada: copies_arrive: the neighbour of a slow tab is {behind} changes behind")
        slow.reads.set()
        await asyncio.sleep(PAUSE_SECONDS)


def _revision_of_last(stage: Stage) -> int:
    return revision(stage.living.recorded.acknowledged[-1].position)


async def count_collapses(stage: Stage) -> None:
    """How often the slow tab was given a snapshot for all that it had not read."""
    frames = [frame.message for frame in stage.living.copies[2].story.frames]
    stage.injected += sum(frame["type"] == "snapshot" and frame["reason"] == "reload" for frame in frames)


async def outlive_a_deadline(stage: Stage) -> None:
    """A session opened for a second ends after a second, on every node and by the store's clock."""
    node = await asyncio.to_thread(lambda: stage.cluster.node(CRIPPLED, CRIPPLES="fast_clock", HUB_SESSION__IDLE="1s"))
    opened = await log_in(stage.cluster, node, "linus")
    for each in [*stage.nodes, node]:
        async with as_user(each, opened) as user:
            about = (await user.get("/v1/sessions/me")).json()
            assert about["status"] == "live", about
    deadline = datetime.fromisoformat(about["idle_expires_at"]).timestamp() + LATE_SECONDS
    await asyncio.sleep(deadline - time.time())
    for each in [*stage.nodes, node]:
        async with as_user(each, opened) as user:
            answer = await user.get("/v1/sessions/me")
            if answer.status_code != 401:
                stage.more.append(f"linus: end_is_final: {answer.status_code} after the deadline")
    stage.injected += len(stage.nodes) + 1


def both(cripples: str) -> tuple[str, str]:
    """The same for both nodes."""
    return cripples, cripples


FAULTS = [
    Fault(
        "feed cut",
        both("deaf,unchecked"),
        "copies_arrive",
        during=cut_feeds,
        after=cut_feeds_and_commit,
        close_seconds=FEED_SECONDS,
    ),
    Fault("publish dropped", both("gullible"), "copies_converge", during=drop_publishes),
    Fault(
        "last publish dropped",
        both("unchecked"),
        "copies_arrive",
        after=drop_the_last_publish,
        nodes=both(HURRY),
        quiet_seconds=CHECK_SECONDS,
        control_quiet_seconds=CHECK_SECONDS,
    ),
    Fault("node killed", both("forgetful"), "nothing_twice", during=kill_a_node),
    Fault("answers lost", both("forgetful"), "nothing_twice", during=lose_answers, close_seconds=FEED_SECONDS),
    Fault(
        "store frozen",
        both("forgetful"),
        "nothing_twice",
        during=freeze_store,
        close_seconds=FEED_SECONDS,
        least_seconds=OUTAGE_SECONDS + 1.0,
    ),
    Fault(
        "store restarted",
        both(""),
        "nothing_lost",
        during=restart_store,
        control_during=restart_store_without_its_last_writes,
        close_seconds=FEED_SECONDS,
    ),
    Fault(
        "slow reader",
        both("leaky"),
        "copies_converge",
        during=pause_a_reader,
        after=count_collapses,
        pad_bytes=SLOW_BYTES,
        least_seconds=3.5,
    ),
    Fault(
        "clock skew",
        ("", "own_clock"),
        "clocks_agree",
        after=outlive_a_deadline,
        nodes=("fast_clock", "slow_clock"),
    ),
]
