"""Operators' connections: what they show, and that they die with their caller."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.core.masking import Masks
from hub.core.ports import HeardEnd
from hub.core.principal import Principal
from hub.core.session import Session
from hub.errors import Maintenance
from hub.live.opening import Wish
from hub.live.wires import WEBSOCKET, Outgoing
from hub.protocol.close_codes import CloseCode
from hub.sessions.reveal import Look, Reveals
from tests.live.stage import EVERYBODY, Stage, Tab
from tests.sessions.worlds import BILLING

HOUR_MS = 3_600_000


def olga(stage: Stage, own: Session, ms: int = HOUR_MS) -> Principal:
    """An operator with a session of her own, for so long."""
    until_ms = stage.world.store.clock.ms + ms
    return Principal("operator", "olga", {}, session=own, may_list=True, may_end=True, until_ms=until_ms)


def is_live(tab: Tab) -> bool:
    return "live" in tab.types


async def test_an_operator_follows_a_masked_copy() -> None:
    """All sections, no values, who did it; ops masked fit the copy masked."""
    stage = Stage()
    async with stage.tab(principal=olga(stage, stage.world.make())) as tab:
        await tab.until(is_live)
        change = await stage.commit({"secret": {"ada@example.com": "Canary"}, "cart": [4711, {"ok": True}]})
        await tab.until_at(change.position)
    assert tab.document == Masks(b"k").view_of(stage.sid).of_document(stage.now.document)
    assert tab.document["cart"] == ["•••", {"ok": True}]
    assert tab.frames[-1]["actor"] == "service:billing"
    assert not [word for word in ("Canary", "4711", "Ada", "ada@") if word in str([tab.document, tab.frames[1:]])]


async def test_a_change_is_encoded_once_for_all_operators() -> None:
    """They share one view, by session."""
    stage = Stage()
    change = await stage.commit({"cart": [1]})
    one, two = (stage.live.view_for(olga(stage, stage.world.make()), stage.sid, None) for _ in range(2))
    outgoing = Outgoing(change)
    assert outgoing.frame(WEBSOCKET, one, is_own=False) is outgoing.frame(WEBSOCKET, two, is_own=False)
    other = stage.world.make()
    assert stage.live.view_for(olga(stage, other), other.sid, None).name != one.name


async def test_a_reveal_is_no_news_to_anybody() -> None:
    """Neither to tabs nor to operators who look at the same session."""
    stage = Stage()
    reveals = Reveals(stage.world.commits, stage.world.sections)
    async with stage.tab() as own, stage.tab(principal=olga(stage, stage.world.make())) as operators:
        for tab in (own, operators):
            await tab.until(is_live)
        await reveals.reveal(olga(stage, stage.world.make()), stage.sid, Look("a good reason", "r"))
        change = stage.world.store.histories[stage.sid][-1]
        stage.fanout.on_heard(stage.feed.heard(stage.sid, change))
        for tab in (own, operators):
            await tab.until_at(change.position)
            assert tab.frames[-1].keys() == {"type", "base", "position", "ops", "at"}
            assert tab.frames[-1]["ops"] == []


@pytest.mark.parametrize("is_heard", [True, False])
async def test_a_connection_ends_with_its_operators_session(is_heard: bool) -> None:
    """4501 without ``ended``, which would speak of the watched session; its own tabs stay. Found out by the feed, or
    by asking after the feed was lost."""
    stage = Stage()
    own = stage.world.make()
    async with stage.tab(principal=olga(stage, own)) as watching, stage.tab() as tab:
        await watching.until(is_live)
        await tab.until(is_live)
        await stage.world.store.end([own.sid], "logged_out", detail="", actor="a", request_id="r")
        if is_heard:
            stage.fanout.on_heard(HeardEnd(own.sid, 0, b"good"))
        else:
            stage.fanout.on_feed_restored(EVERYBODY)
        await watching.until_closed()
        assert (watching.code, "ended" in watching.types) == (4501, False)
        assert tab.code is None
    assert (stage.fanout.registry.get(own.sid), stage.fanout.registry.count) == (None, 0)
    assert set(stage.feed.counts.values()) == {0}


async def test_one_that_ended_meanwhile_opens_nothing() -> None:
    """Between the credential and the connection."""
    stage = Stage()
    own = stage.world.make()
    await stage.world.store.end([own.sid], "logged_out", detail="", actor="a", request_id="r")
    async with stage.tab(principal=olga(stage, own)) as watching:
        await watching.until_closed()
    assert watching.code == 4501


async def test_a_connection_that_cannot_be_guarded_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong while its operator is watched: 4001, and a new beginning."""
    stage = Stage()
    principal = olga(stage, stage.world.make())

    async def fail(session: Session) -> CloseCode:
        raise Maintenance

    monkeypatch.setattr(stage.fanout, "watch", fail)
    failed: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["exception"]))
    async with stage.tab(principal=principal) as watching:
        await watching.until_closed()
    assert watching.code == 4001
    assert [type(error) for error in failed] == [Maintenance]


async def test_a_connection_ends_when_the_log_in_is_not_recent_any_more() -> None:
    """4503: the session lives on, and is no operator's."""
    stage = Stage()
    async with stage.tab(principal=olga(stage, stage.world.make(), 30)) as watching:
        await watching.until_closed()
    assert (watching.code, "ended" in watching.types) == (4503, False)


async def test_the_end_of_the_watched_session_is_told_as_to_its_tabs() -> None:
    """4500 after ``ended``."""
    stage = Stage()
    async with stage.tab(principal=olga(stage, stage.world.make())) as watching:
        await watching.until(is_live)
        await stage.end()
        stage.fanout.on_heard(HeardEnd(stage.sid, 0, b"good"))
        await watching.until_closed()
    assert (watching.code, watching.types[-1]) == (4500, "ended")


async def test_an_operator_who_asks_who_is_there_is_noticed_by_nobody() -> None:
    """Only the one who asked is told; the tabs are not told again, at once or at the next look."""
    stage = Stage()
    stage.world.store.connected = [{"id": "c", "app": None, "since": "t", "node": "n"}]
    async with stage.tab(Wish(presence=True)) as tab:
        await tab.until(is_live)
        await stage.rounds.check_presence()
        await tab.until(lambda tab: "presence" in tab.types)
        async with stage.tab(Wish(presence=True), olga(stage, stage.world.make())) as watching:
            await watching.until(lambda tab: "presence" in tab.types)
            (told,) = (frame for frame in watching.frames if frame["type"] == "presence")
            assert told["connections"] == [{"id": "c", "app": None, "since": "t"}]
            await stage.rounds.check_presence()
            change = await stage.commit({"cart": [1]})
            await tab.until_at(change.position)
    assert tab.types.count("presence") == 1


async def test_operators_look_and_do_not_touch() -> None:
    """A commit is refused without counting against the session's own; activity is nobody's but the user's."""
    stage = Stage()
    async with stage.tab(principal=olga(stage, stage.world.make())) as watching:
        await watching.until(is_live)
        for number, patch in enumerate(({"cart": [1]}, {})):
            commit_id = watching.commit(number, patch)
            await watching.until(lambda tab, commit_id=commit_id: commit_id in tab.answers)  # type: ignore[misc]
            assert watching.frames[-1]["problem"]["code"] == "forbidden"
    assert stage.now.position == stage.session.position


def app(stage: Stage) -> Principal:
    return Principal("app", "a", {"profile": "write"}, sid=stage.sid, app="a")


CALLERS: dict[str, Any] = {
    "operator": lambda stage: olga(stage, stage.world.make()),
    "service": lambda _: BILLING,
    "app": app,
    "user": lambda stage: stage.user(),
}


@pytest.mark.parametrize("caller", CALLERS)
async def test_only_the_user_slides_the_idle_deadline(caller: str) -> None:
    """``activity`` of whoever else is connected says nothing about the user."""
    stage = Stage()
    async with stage.tab(principal=CALLERS[caller](stage)) as tab:
        await tab.until(is_live)
        tab.say({"type": "activity"})
        tab.say({"type": "ping"})
        await tab.until(lambda tab: tab.types[-1] == "heartbeat")
        commit_id = tab.commit(1, {"profile": {"n": 1}})  # comes after it
        await tab.until(lambda tab: commit_id in tab.answers)
    assert stage.world.store.touches == (1 if caller == "user" else 0)
