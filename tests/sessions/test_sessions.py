"""The use cases beside committing: open, read, catch up, list, touch, end."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.access import View
from hub.core.position import Position
from hub.core.principal import Principal
from hub.core.session import LogIn
from hub.errors import Compacted, Forbidden, Maintenance, SessionEnded, SessionNotFound, Unauthenticated
from hub.sessions.sessions import visible_part
from tests.sessions.memory_store import TAG
from tests.sessions.worlds import BILLING, World, merge, name, user

LOG_IN = LogIn(provider="main", issuer="https://idp", user="ada", auth_time=0, began_ms=0)


@pytest.fixture
def world() -> World:
    return World()


async def open_one(world: World) -> tuple[Any, str]:
    return await world.sessions.open(
        log_in=LOG_IN,
        verifier_for=lambda sid: (f"token of {sid}", b"verifier"),
        identity={"sub": "ada"},
        request_id="r",
    )


async def test_opening_gives_a_session_and_its_token(world: World) -> None:
    """With the first values of the sections, and the lifetimes configured."""
    session, token = await open_one(world)
    assert token == f"token of {session.sid}"
    assert session.document == {"profile": {}, "identity": {"sub": "ada"}}
    assert session.expires_ms - session.created_ms == 3_600_000
    assert session.idle_expires_ms - session.created_ms == 600_000


async def test_the_oldest_session_is_replaced_when_there_are_too_many(world: World) -> None:
    """Two may be open at once here."""
    first, second, third = [(await open_one(world))[0].sid for _ in range(3)]
    ending = world.now(first).ending
    assert ending is not None
    assert ending.reason == "replaced"
    assert world.now(second).ending is world.now(third).ending is None


async def test_a_log_in_from_before_a_universal_log_out_opens_nothing(world: World) -> None:
    """401, and no session."""
    world.store.too_early = True
    with pytest.raises(Unauthenticated):
        await open_one(world)
    assert world.store.sessions == {}


async def test_a_log_in_whose_session_at_the_provider_is_over_opens_nothing(world: World) -> None:
    """401, and what was opened for a moment is ended: the provider's log-out may come between."""
    world.store.provider_ended = True
    with pytest.raises(Unauthenticated):
        await open_one(world)
    assert [each.ending and each.ending.reason for each in world.store.sessions.values()] == ["logged_out"]


async def test_reading_refuses_what_is_no_sid_unread(world: World) -> None:
    """No key is made of it."""
    for sid in ("", "x" * 39, "{" * 39, f"{TAG}-\n"):
        with pytest.raises(SessionNotFound):
            await world.sessions.record(BILLING, sid)
        with pytest.raises(SessionNotFound):
            await world.sessions.commit(BILLING, sid, name("x"))
        with pytest.raises(SessionNotFound):
            await world.sessions.end(BILLING, sid)
    assert world.store.reads == 0


async def test_a_session_that_is_over_can_be_asked_for_but_not_used(world: World) -> None:
    """Its record says why; everything else is 410. One past its deadline is over."""
    made = world.make()
    world.store.clock.ms = made.expires_ms
    found = await world.sessions.record(BILLING, made.sid)
    assert found.ending is not None
    assert found.ending.reason == "expired"
    with pytest.raises(SessionEnded):
        await world.sessions.live(BILLING, made.sid)
    with pytest.raises(SessionEnded):
        await world.sessions.changes(BILLING, made.sid, made.position, 10)


async def test_changes_since_a_position(world: World) -> None:
    """In order; 410 ``compacted`` where the position is not in this history."""
    made = world.make()
    for number in range(3):
        await world.commits.commit(BILLING, made.sid, merge({"cart": number}))
    _, changes = await world.sessions.changes(BILLING, made.sid, made.position, 2)
    assert [each.position.revision for each in changes] == [2, 3]
    for since in (Position(1, "deadbeef"), Position(99, "deadbeef"), Position(4, "deadbeef")):
        with pytest.raises(Compacted):
            await world.sessions.changes(BILLING, made.sid, since, 2)


async def test_a_copy_catches_up_with_changes_or_is_told_why_not(world: World) -> None:
    """All that is missing if it is little; else, or if the position is unknown, only a snapshot will do."""
    made = world.make()
    for number in range(3):
        await world.commits.commit(BILLING, made.sid, merge({"cart": number}))
    caught = await world.sessions.catch_up(made.sid, made.position, 3)
    assert caught is not None
    assert caught.history is not None
    assert (len(caught.history.changes), caught.history.why_not) == (3, None)
    caught = await world.sessions.catch_up(made.sid, made.position, 2)
    assert caught is not None
    assert caught.history is not None
    assert (caught.history.changes, caught.history.why_not) == ((), "compacted")
    caught = await world.sessions.catch_up(made.sid, None, 2)
    assert caught is not None
    assert caught.history is None
    assert await world.sessions.catch_up("none", None, 2) is None


async def test_a_copy_that_missed_many_bytes_gets_a_snapshot(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few changes may be more text than the document."""
    monkeypatch.setattr("hub.sessions.sessions.MAX_CHANGES_BYTES", 200)
    made = world.make()
    for text in ("a", "b"):
        await world.commits.commit(BILLING, made.sid, merge({"profile": text * 100}))
    caught = await world.sessions.catch_up(made.sid, made.position, 10)
    assert caught is not None
    assert caught.history is not None
    assert caught.history.why_not == "compacted"


async def test_a_history_that_does_not_open_means_a_snapshot(world: World) -> None:
    """A copy is replaced, not refused again and again."""
    made = world.make()
    done = await world.commits.commit(BILLING, made.sid, name("x"))

    async def broken(*_: object) -> None:
        raise Compacted("A part of the history does not open")

    world.store.changes = broken  # type: ignore[assignment,method-assign]
    caught = await world.sessions.catch_up(made.sid, made.position, 10)
    assert caught is not None
    assert caught.session.position == done.position
    assert caught.history is not None
    assert caught.history.why_not == "compacted"


async def test_a_users_commit_slides_the_idle_deadline_now_and_then(world: World) -> None:
    """Debounced; a service's commit never does; a store that cannot be written does not fail the commit."""
    made = world.make()
    for text in ("a", "b"):
        await world.sessions.commit(user(made), "me", name(text))
    await world.sessions.commit(BILLING, made.sid, name("c"))
    assert world.store.touches == 1
    world.store.clock.ms += 30_000
    await world.sessions.commit(user(made), "me", name("d"))
    assert world.store.touches == 2
    assert world.now(made.sid).idle_expires_ms == made.idle_expires_ms + 30_000
    world.store.clock.ms += 30_000
    world.store.failures = [Maintenance()]
    await world.sessions.touch(made)


@pytest.mark.parametrize(("who", "reason"), [("user", "logged_out"), ("service", "revoked")])
async def test_ending_says_who_wanted_it(world: World, who: str, reason: str) -> None:
    """And is no error when it is over already: the first reason stays."""
    made = world.make()
    principal = user(made) if who == "user" else BILLING
    assert (await world.sessions.end(principal, made.sid, detail="x")).count == 1
    assert (await world.sessions.end(BILLING, made.sid)).count == 0
    ending = world.now(made.sid).ending
    assert ending is not None
    assert (ending.reason, ending.detail) == (reason, "x")


async def test_ending_needs_the_right(world: World) -> None:
    """Apps never, services only where granted, users only their own."""
    made, other = world.make(), world.make()
    app, reader = Principal("app", "a", {}, sid=made.sid), Principal("service", "reader", {})
    for principal in (app, reader):
        with pytest.raises(Forbidden):
            await world.sessions.end(principal, made.sid)
    with pytest.raises(SessionNotFound):
        await world.sessions.end(user(made), other.sid)
    assert world.now(made.sid).ending is world.now(other.sid).ending is None


async def test_a_user_ends_all_own_sessions_but_one(world: World) -> None:
    """The spared one must be one of theirs; another user's sessions need ``may_end``."""
    first, second = world.make(), world.make()
    mine = user(first)
    with pytest.raises(SessionNotFound):
        await world.sessions.end_user(mine, "https://idp", "ada", spared=f"{'e' * 16}-{'A' * 22}")
    with pytest.raises(Forbidden):
        await world.sessions.end_user(mine, "https://idp", "eve")
    with pytest.raises(Forbidden):
        await world.sessions.end_user(Principal("app", "a", {}, sid=first.sid), "https://idp", "ada")
    assert (await world.sessions.end_user(mine, "https://idp", "ada", spared=first.sid)).count == 1
    assert world.now(first.sid).ending is None
    assert world.now(second.sid).ending is not None
    assert (await world.sessions.end_user(BILLING, "https://idp", "ada")).count == 1


async def test_lists_show_live_sessions_only(world: World) -> None:
    """Of one user, or of all page by page."""
    first, second, third = world.make(), world.make(), world.make()
    await world.sessions.end(BILLING, second.sid)
    assert [each.sid for each in await world.sessions.of_user("https://idp", "ada")] == [first.sid, third.sid]
    assert await world.sessions.of_user("https://idp", "eve") == []
    page, cursor = await world.sessions.page(None, 2)
    assert [each.sid for each in page] == [first.sid]
    page, cursor = await world.sessions.page(cursor, 2)
    assert ([each.sid for each in page], cursor) == ([third.sid], None)


def test_a_part_of_a_document_is_never_more_than_is_visible() -> None:
    """Asking for a hidden or missing section shows nothing, and no error."""
    made, view = World().make(), View("12345678", frozenset({"profile", "cart"}))
    assert visible_part(made, view, None) == {"profile": {"name": "Ada"}}
    assert visible_part(made, view, ["secret", "profile", "cart", "nope"]) == {"profile": {"name": "Ada"}}
