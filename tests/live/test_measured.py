"""What live connections tell the metrics: each once, by its true reason, and times by the store's clock."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hub.core.ports import HeardChange
from hub.core.times import rfc3339
from hub.live import fanout as module
from hub.live.opening import Wish
from hub.live.outbox import MOST_FRAMES
from hub.protocol.close_codes import CloseCode
from hub.telemetry import metrics
from tests.live.stage import ENDING, EVERYBODY, Stage, Tab
from tests.support.counted import counted, forget, observed

RELOADED = {"feed_lost", "missed", "gap", "unreadable", "overflow"}


@pytest.fixture(autouse=True)
def from_nothing() -> None:
    forget(metrics.RELOADS, metrics.SNAPSHOTS, metrics.RESUMES, metrics.DELIVERIES, metrics.OUTBOX_COLLAPSES)
    forget(metrics.CHANGE_CONNECTIONS, metrics.PUSH_SECONDS, metrics.CLOSE_SECONDS, metrics.CONNECTIONS_CLOSED)
    forget(metrics.INTERNAL_ERRORS)


def is_live(tab: Tab) -> bool:
    return "live" in tab.types


async def test_a_change_counts_for_each_connection_it_is_handed_to() -> None:
    """Fan-out by change, deliveries by frame; a session that nobody follows here counts for nothing."""
    stage = Stage()
    async with stage.tab() as one, stage.tab() as other:
        for tab in (one, other):
            await tab.until(is_live)
        change = await stage.commit({"cart": [1]})
        for tab in (one, other):
            await tab.until_at(change.position)
        stage.fanout.on_heard(stage.feed.heard("nobody", change))
    fanned = observed(metrics.CHANGE_CONNECTIONS)
    assert (sum(fanned.counts), fanned.total) == (1, 2.0)
    assert counted(metrics.DELIVERIES) == {("websocket",): 6}  # snapshot, live and change, twice
    assert counted(metrics.SNAPSHOTS) == {("new",): 2}
    assert counted(metrics.RELOADS) == {}


@pytest.mark.parametrize(("late_ms", "seconds"), [(0, 0.0), (700, 0.7), (-40, 0.0)])
async def test_a_push_is_as_late_as_the_stores_clock_says(late_ms: int, seconds: float) -> None:
    """From the time in the history entry; clocks that disagree a little never make less than nothing."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        change = await stage.commit({"cart": [1]}, is_heard=False)
        change = replace(change, at=rfc3339(stage.world.store.clock.ms - late_ms))
        stage.fanout.on_heard(stage.feed.heard(stage.sid, change))
        await tab.until_at(change.position)
    assert observed(metrics.PUSH_SECONDS).total == pytest.approx(seconds)


async def test_a_close_is_as_late_as_the_end_was_ago_for_who_was_there() -> None:
    """Each connection once. Who came after the end was told at once, whenever it was."""
    stage = Stage()
    clock = stage.world.store.clock
    ending = replace(ENDING, at_ms=clock.ms + 100)
    async with stage.tab() as one, stage.tab() as other:
        for tab in (one, other):
            await tab.until(is_live)
        clock.ms += 1600
        follow = stage.fanout.registry.get(stage.sid)
        assert follow is not None
        stage.fanout.end(follow, ending)
        for tab in (one, other):
            await tab.until_closed()
    closed = observed(metrics.CLOSE_SECONDS)
    assert sum(closed.counts) == 2
    assert closed.total == pytest.approx(3.0)
    assert counted(metrics.CONNECTIONS_CLOSED) == {("4500",): 2}
    await stage.end()
    clock.ms += 60_000
    async with stage.tab() as late:
        await late.until_closed()
    assert late.code == CloseCode.ENDED
    assert sum(observed(metrics.CLOSE_SECONDS).counts) == 0
    assert counted(metrics.CONNECTIONS_CLOSED) == {("4500",): 1}


async def test_a_tab_that_goes_by_itself_is_gone() -> None:
    """Nobody closed it."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
    assert counted(metrics.CONNECTIONS_CLOSED) == {("gone",): 1}


async def test_a_copy_that_is_continued_is_a_resume_and_no_snapshot() -> None:
    """What it missed was enough."""
    stage = Stage()
    async with stage.tab() as first:
        await first.until(is_live)
    change = await stage.commit({"cart": [1]})
    forget(metrics.SNAPSHOTS, metrics.RESUMES)
    async with stage.tab(Wish(stage.session.position, first.connection.conversation.view.name)) as tab:
        tab.document, tab.at = first.document, first.at
        await tab.until_at(change.position)
    assert counted(metrics.RESUMES) == 1
    assert counted(metrics.SNAPSHOTS) == {}


async def cut(stage: Stage, tab: Tab) -> None:
    await stage.commit({"cart": [1]}, is_heard=False)
    stage.fanout.on_feed_restored(EVERYBODY)


async def lose_the_last(stage: Stage, tab: Tab) -> None:
    await stage.commit({"cart": [1]}, is_heard=False)
    await stage.rounds.check_positions()
    await stage.rounds.check_positions()


async def lose_one(stage: Stage, tab: Tab) -> None:
    await stage.commit({"cart": [1]}, is_heard=False)
    await stage.commit({"cart": [2]})


async def forge(stage: Stage, tab: Tab) -> None:
    change = await stage.commit({"cart": [1]}, is_heard=False)
    stage.fanout.on_heard(HeardChange(stage.sid, change.position, b"broken"))


async def flood(stage: Stage, tab: Tab) -> None:
    tab.pause()
    for number in range(MOST_FRAMES + 20):
        await stage.commit({"cart": [number]})
    tab.reading.set()


ACCIDENTS = {"feed_lost": cut, "missed": lose_the_last, "gap": lose_one, "unreadable": forge, "overflow": flood}


@pytest.mark.parametrize("reason", ACCIDENTS)
async def test_a_reload_counts_once_by_what_made_it_necessary(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the copy is right afterwards."""
    monkeypatch.setattr(module, "SPREAD_SECONDS", 0.01)
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        await ACCIDENTS[reason](stage, tab)
        await tab.until(lambda tab: tab.types.count("live") == 2 and tab.at == str(stage.now.position))
    assert ACCIDENTS.keys() == RELOADED == set(metrics.RELOADS.labels["reason"])
    assert counted(metrics.RELOADS) == {(reason,): 1}
    assert counted(metrics.OUTBOX_COLLAPSES) == (1 if reason == "overflow" else 0)


async def test_a_bug_in_a_connection_is_an_internal_error() -> None:
    """And so is one in a request: whoever looks at the numbers sees that there was one."""
    stage = Stage()
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    async def broken() -> None:
        raise RuntimeError("a bug")

    async with stage.tab() as tab:
        await tab.until(is_live)
        tab.connection.start(broken())
        await tab.until_closed()
    assert counted(metrics.INTERNAL_ERRORS) == 1


async def test_a_reload_of_a_connection_that_is_over_counts_for_nothing() -> None:
    """It reads nothing again."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(is_live)
        tab.connection.act(tab.connection.conversation.on_closing(CloseCode.SHUTDOWN, "0"))
        follow = stage.fanout.registry.get(stage.sid)
        assert follow is not None
        stage.fanout.reload(follow, "missed")
        await tab.until_closed()
    assert counted(metrics.RELOADS) == {}
