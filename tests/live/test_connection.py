"""One live connection: what reaches the tab, in which order, and when it is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.errors import Maintenance
from hub.live import connection as module
from hub.live.opening import Wish
from hub.live.outbox import MOST_FRAMES
from hub.protocol.close_codes import CloseCode
from hub.sessions.commit import Committed, Intent
from tests.live.stage import EVERYBODY, Stage, Tab


def fits(tab: Tab, stage: Stage) -> bool:
    return tab.at == str(stage.now.position) and tab.types[-1] in ("live", "change")


async def test_a_tab_opens_with_a_snapshot_and_follows() -> None:
    """Snapshot, live, then each change; it sees its view and nothing else."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        change = await stage.commit({"cart": [1], "secret": {"s": 2}})
        await tab.until_at(change.position)
    assert tab.types == ["snapshot", "live", "change"]
    assert tab.document == {key: value for key, value in stage.now.document.items() if key != "secret"}


async def test_a_copy_is_continued_from_where_it_stands() -> None:
    """The missing changes and live, no snapshot."""
    stage = Stage()
    async with stage.tab() as first:
        await first.until(lambda tab: "live" in tab.types)
    await stage.commit({"cart": [1]})
    await stage.commit({"cart": [2]})
    wish = Wish(stage.session.position, first.connection.conversation.view.name)
    async with stage.tab(wish) as tab:
        tab.document, tab.at = first.document, first.at
        await tab.until(lambda tab: "live" in tab.types)
    assert tab.types == ["change", "change", "live"]
    assert tab.document["cart"] == [2]


async def test_the_feed_is_subscribed_before_the_session_is_read() -> None:
    """Nothing is read before the store has confirmed it."""
    stage = Stage()
    stage.feed.confirmed.clear()
    async with stage.tab() as tab:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert stage.world.store.reads == 0
        await stage.commit({"cart": [1]}, is_heard=False)
        stage.feed.confirmed.set()
        await tab.until(lambda tab: "live" in tab.types)
        assert tab.document["cart"] == [1]
        assert stage.feed.log[0] == "subscribed"


async def test_a_read_that_was_overtaken_says_nothing() -> None:
    """It may have looked before the feed was heard again; only the newer read counts."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        reload = tab.connection.conversation.on_reload
        tab.connection.act(reload())
        overtaken_read = tab.connection._reading
        assert overtaken_read is not None
        await asyncio.sleep(0)
        tab.connection.act(reload())
        await tab.until(lambda tab: tab.types.count("live") == 2)
        assert overtaken_read.cancelled()


async def test_a_tab_that_drains_with_more_to_say_is_not_forgotten() -> None:
    """What draining itself puts is written at once, while the store still makes the snapshot wait."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        tab.pause()
        stage.fanout.on_mode("maintenance", EVERYBODY)
        for number in range(MOST_FRAMES + 2):
            await stage.commit({"cart": [number]})
        stage.is_live.clear()
        stage.world.store.failures = [Maintenance()]
        tab.reading.set()
        await tab.until(lambda tab: tab.types.count("mode") == 2)
        assert tab.types.count("snapshot") == 1
        stage.is_live.set()
        await tab.until(lambda tab: fits(tab, stage))


async def test_a_slow_tab_collapses_to_one_snapshot() -> None:
    """Far more changes than the outbox holds: what was dropped is made up for once, and the copy is right."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        tab.pause()
        for number in range(MOST_FRAMES + 50):
            await stage.commit({"cart": [number]})
        tab.reading.set()
        await tab.until(lambda tab: fits(tab, stage))
        last = await stage.commit({"cart": ["last"]})
        await tab.until_at(last.position)
    assert tab.types.count("snapshot") == 2
    assert tab.document["cart"] == ["last"]
    assert tab.frames[-3]["reason"] == "reload"


async def test_what_the_hub_can_do_survives_an_overflow() -> None:
    """A tab that was slow knows the mode at last."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        tab.pause()
        await stage.commit({"cart": ["first"]})
        await asyncio.sleep(0)  # the writer holds one frame
        stage.fanout.on_mode("read_only", EVERYBODY)
        for number in range(MOST_FRAMES + 1):
            await stage.commit({"cart": [number]})
        tab.reading.set()
        await tab.until(lambda tab: "mode" in tab.types and fits(tab, stage) and tab.types.count("snapshot") == 2)


async def test_an_overflow_in_the_middle_of_catching_up_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the drop nothing of the rest of the story is written: the next thing is a snapshot."""
    monkeypatch.setattr(module, "MOST_MISSED", 10_000)
    stage = Stage()
    async with stage.tab() as first:
        await first.until(lambda tab: "live" in tab.types)
    for number in range(MOST_FRAMES + 20):
        await stage.commit({"cart": [number]})
    wish = Wish(stage.session.position, first.connection.conversation.view.name)
    async with stage.tab(wish) as tab:
        tab.document, tab.at = first.document, first.at
        await tab.until(lambda tab: fits(tab, stage))
    assert tab.types == ["snapshot", "live"]


async def test_too_many_answers_waiting_close_the_connection() -> None:
    """4002 at the 257th; the tab comes back and asks again."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        tab.pause()
        for number in range(300):
            tab.say({"type": "commit", "id": f"commit-{number:012d}"})
        await tab.until_closed()
    assert tab.code == CloseCode.SLOW


async def test_the_end_overtakes_all_that_waits() -> None:
    """Nothing but ``ended`` is written after the node heard of it, and then 4500."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        tab.pause()
        for number in range(20):
            await stage.commit({"cart": [number]})
        follow = stage.fanout.registry.get(stage.sid)
        assert follow is not None
        await stage.end()
        await stage.fanout.check(follow)
        stage.fanout.on_mode("read_only", EVERYBODY)
        tab.say({"type": "ping"})
        tab.reading.set()
        await tab.until_closed()
    assert (tab.code, tab.types[-1]) == (CloseCode.ENDED, "ended")
    assert tab.types.count("change") <= 1  # the one that was being written


async def test_a_tab_that_does_not_read_is_cut_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets a moment for its last frames, not more."""
    monkeypatch.setattr(module, "CLOSE_GRACE_SECONDS", 0.05)
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        tab.pause()
        await stage.commit({"cart": [1]})
        tab.connection.act(tab.connection.conversation.on_closing(CloseCode.SHUTDOWN, "5000"))
        await tab.until_closed()
    assert (tab.code, tab.reason) == (CloseCode.SHUTDOWN, "5000")


async def test_a_session_that_is_over_by_the_time_it_is_read_is_told_so() -> None:
    """Opening meets the tombstone."""
    stage = Stage()
    await stage.end()
    async with stage.tab() as tab:
        await tab.until_closed()
    assert (tab.types, tab.code) == (["ended"], CloseCode.ENDED)


async def test_a_session_that_is_not_there_closes_without_an_end() -> None:
    """4501: nobody knows how it ended."""
    stage = Stage()
    del stage.world.store.sessions[stage.sid]
    async with stage.tab() as tab:
        await tab.until_closed()
    assert (tab.types, tab.code) == ([], CloseCode.UNAUTHENTICATED)


async def test_an_outage_while_opening_is_waited_out() -> None:
    """No close and no end because of a store that does not answer."""
    stage = Stage()
    stage.is_live.clear()
    stage.mode = "maintenance"
    stage.world.store.failures = [Maintenance()]
    async with stage.tab() as tab:
        await tab.until(lambda tab: tab.types == ["mode"])
        stage.is_live.set()
        await tab.until(lambda tab: "live" in tab.types)
    assert tab.types == ["mode", "snapshot", "live"]


async def test_commits_of_a_tab_are_answered_in_order() -> None:
    """Refusals that need no store, commits that take long, no-ops: each answer once, in the order of the commits."""
    stage = Stage()
    patches: list[Any] = [
        {"cart": [1]},
        {"identity": {}},
        {},
        {"nope": 1},
        {"cart": [2]},
        {"preferences": {"theme": 1}},
    ]
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        ids = [tab.commit(number, patch) for number, patch in enumerate(patches)]
        await tab.until(lambda tab: len(tab.answers) == len(ids))
    assert tab.answers == ids
    codes = [frame["problem"]["code"] for frame in tab.frames if frame["type"] == "rejected"]
    assert codes == ["forbidden", "unknown_section", "schema_violation"]
    assert stage.now.document["cart"] == [2]


async def test_the_same_commit_again_is_answered_the_same() -> None:
    """After a reconnect as well: the id is the idempotency key."""
    stage = Stage()
    for _ in range(2):
        async with stage.tab() as tab:
            await tab.until(lambda tab: "live" in tab.types)
            for _ in range(2):
                tab.commit(1, {"cart": [1]})
            await tab.until(lambda tab: len(tab.answers) == 2)
            assert {frame["position"] for frame in tab.frames if frame["type"] == "committed"} == {
                str(stage.now.position)
            }
    assert stage.now.position.revision == 2


async def test_a_bug_closes_one_connection_for_now_and_is_reported() -> None:
    """4001: it may come back; nothing hangs."""
    stage = Stage()
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    async def broken(*_: Any) -> Committed:
        raise RuntimeError("a bug")

    stage.world.sessions.commit = broken  # type: ignore[assignment,method-assign]
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        tab.commit(1, {"cart": [1]})
        await tab.until_closed()
    assert tab.code == CloseCode.SHUTDOWN
    assert isinstance(reported[0]["exception"], RuntimeError)
    assert Intent is not None


async def test_a_broken_line_ends_the_connection_and_all_it_had_begun() -> None:
    """No close is tried on it, and nothing is left running."""
    stage = Stage()
    async with stage.tab() as tab:
        await tab.until(lambda tab: "live" in tab.types)
        tab.is_broken = True
        tab.say({"type": "ping"})
    assert tab.code is None
    assert tab.connection._tasks == set()
    assert stage.fanout.registry.count == 0
