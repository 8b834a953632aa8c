"""The faults, one function each, and what is switched off to see the checker object to them."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from tests.faults.lengths import CHECK_SECONDS, HURRY
from tests.faults.stage import Fault, Stage

FEED_SECONDS = 6.0  # an end whose message is lost with the feed closes connections within that
OUTAGE_SECONDS = 2.4  # longer than a call to the store may take
PAUSE_SECONDS = 0.4
DROPPED_AT_ONCE = 3


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
        await stage.until(lambda: not stage.proxy.drop_changes)
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
        stage.proxy.is_holding = False
        stage.injected += 1
        await asyncio.sleep(PAUSE_SECONDS)


async def _lose_answers(stage: Stage) -> None:
    before = stage.proxy.lost_commits
    stage.proxy.is_holding = True
    await stage.until(lambda: stage.proxy.lost_commits > before)


async def freeze_store(stage: Stage) -> None:
    """It does not answer for longer than anybody waits, then does what it was told meanwhile."""
    await stage.until_commits(5)
    os.kill(stage.store_pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(OUTAGE_SECONDS)
    finally:
        os.kill(stage.store_pid, signal.SIGCONT)
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


FAULTS = [
    Fault(
        "feed cut",
        "deaf,unchecked",
        "copies_arrive",
        during=cut_feeds,
        after=cut_feeds_and_commit,
        close_seconds=FEED_SECONDS,
    ),
    Fault("publish dropped", "gullible", "copies_converge", during=drop_publishes),
    Fault(
        "last publish dropped",
        "unchecked",
        "copies_arrive",
        after=drop_the_last_publish,
        nodes=(HURRY, HURRY),
        quiet_seconds=CHECK_SECONDS,
    ),
    Fault("node killed", "forgetful", "nothing_twice", during=kill_a_node),
    Fault("answers lost", "forgetful", "nothing_twice", during=lose_answers, close_seconds=FEED_SECONDS),
    Fault("store frozen", "forgetful", "nothing_twice", during=freeze_store, close_seconds=FEED_SECONDS),
    Fault(
        "store restarted",
        "",
        "nothing_lost",
        during=restart_store,
        control_during=restart_store_without_its_last_writes,
        close_seconds=FEED_SECONDS,
    ),
]
