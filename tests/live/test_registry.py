"""Connections on a node: counted in and out, and the oldest goes where there are too many."""

from __future__ import annotations

from contextlib import AsyncExitStack

from hub.live.registry import Follow
from hub.protocol.close_codes import CloseCode
from tests.live.stage import Stage, Tab
from tests.sessions.worlds import BILLING


def is_live(tab: Tab) -> bool:
    return "live" in tab.types


def _is_armed(follow: Follow) -> bool:
    return follow._timer is not None


async def test_the_oldest_connection_goes_where_there_are_too_many() -> None:
    """4504 to it, which does not come back by itself; services are not counted."""
    stage = Stage(per_session=2)
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(stage.tab(principal=BILLING))
        tabs = [await stack.enter_async_context(stage.tab()) for _ in range(2)]
        for tab in (service, *tabs):
            await tab.until(is_live)
        tabs.append(await stack.enter_async_context(stage.tab()))
        await tabs[0].until_closed()
        change = await stage.commit({"cart": [1]})
        for tab in (service, *tabs[1:]):
            await tab.until_at(change.position)
    assert [tab.code for tab in tabs] == [CloseCode.TOO_MANY, None, None]
    assert service.code is None


async def test_nothing_is_left_of_connections_that_closed() -> None:
    """No follow, no timer, no subscription; presence is taken back, and was never told of services."""
    stage = Stage()
    async with stage.tab() as one, stage.tab(principal=BILLING) as two:
        await one.until(is_live)
        await two.until(is_live)
        assert stage.fanout.registry.count == 2
        follow = stage.fanout.registry.get(stage.sid)
        assert follow is not None
        assert _is_armed(follow)
    assert stage.fanout.registry.count == 0
    assert stage.fanout.registry.follows() == []
    assert not _is_armed(follow)
    assert set(stage.feed.counts.values()) == {0}
    assert [entry for entry in stage.feed.log if entry != "subscribed"] == ["arrived None", "departed"]


async def test_draining_sends_every_tab_elsewhere() -> None:
    """4001 with the window in which to come back."""
    stage = Stage()
    async with stage.tab() as one, stage.tab() as two:
        await one.until(is_live)
        await two.until(is_live)
        await stage.live.drain()
        await one.until_closed()
        await two.until_closed()
    assert {(tab.code, tab.reason) for tab in (one, two)} == {(CloseCode.SHUTDOWN, "1000")}
