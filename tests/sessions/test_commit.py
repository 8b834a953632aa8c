"""Commits: the order of checks, and what each answer says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hub.core.limits import CHECKPOINT_EVERY
from hub.core.position import Position
from hub.core.principal import Principal
from hub.errors import (
    Forbidden,
    HubError,
    IdempotencyMismatch,
    OwnSessionEnded,
    PatchConflict,
    PositionMismatch,
    SchemaViolation,
    SessionEnded,
    SessionNotFound,
    TooLarge,
    Unauthenticated,
    UnknownSection,
)
from hub.sessions.commit import Intent
from tests.sessions.worlds import ALL, BILLING, BROWSER, FIRST, World, merge, name, ops, user

ELSEWHERE = Position(7, "deadbeef")
KEY = "a-key"


@pytest.fixture
def world() -> World:
    return World()


async def refused(world: World, principal: Principal, sid: str, wanted: Intent) -> HubError:
    with pytest.raises(HubError) as caught:
        await world.commits.commit(principal, sid, wanted)
    return caught.value


async def test_a_commit_is_one_revision_and_says_what_it_did(world: World) -> None:
    """Base and position, the ops, the document after it; in the history with actor, request and key."""
    before = world.make()
    done = await world.commits.commit(BILLING, before.sid, name("Grace", key=KEY))
    now = world.now(before.sid)
    assert (done.base, done.position, done.changed, done.replayed) == (before.position, now.position, True, False)
    assert now.position.revision == 2
    assert done.ops == [{"op": "replace", "path": "/profile/name", "value": "Grace"}]
    assert done.document == now.document == FIRST | {"profile": {"name": "Grace"}}
    change = world.store.histories[before.sid][-1]
    assert (change.base, change.position, change.ops) == (done.base, done.position, done.ops)
    assert (change.kind, change.actor, change.request_id, change.commit) == (
        "commit",
        "service:billing",
        "request",
        KEY,
    )
    assert change.document is None


# each check comes before the next: a request that fails all of them is told of the first


EVERYTHING_WRONG = {"profile": {"name": "x"}, "preferences": {"theme": "blue"}}


async def test_sections_are_known_before_anything_else(world: World) -> None:
    """422 names what is not configured, whoever asks and whether there is a session or not."""
    error = await refused(world, Principal("app", "a", {}), "none", merge({"nope": 1, "a/b": 1}, at=ELSEWHERE))
    assert isinstance(error, UnknownSection)
    assert [each["pointer"] for each in error.facts["errors"]] == ["/a~1b", "/nope"]
    moved = ops({"op": "move", "from": "/gone", "path": "/profile/x"})
    assert isinstance(await refused(world, BILLING, "none", moved), UnknownSection)
    whole = ops({"op": "replace", "path": "", "value": {"nope": 1}})
    assert isinstance(await refused(world, BILLING, "none", whole), UnknownSection)


async def test_grants_come_before_the_session_and_name_the_sections(world: World) -> None:
    """403 without a look at the store: neither existence nor position leak to who may not write."""
    reader = Principal("service", "reader", {"profile": "read"})
    error = await refused(world, reader, "none", merge(EVERYTHING_WRONG, at=ELSEWHERE))
    assert isinstance(error, Forbidden)
    assert error.facts["sections"] == ["preferences", "profile"]
    for operation in (
        {"op": "test", "path": "/secret/s", "value": 1},
        {"op": "copy", "from": "/secret/s", "path": "/profile/x"},
        {"op": "move", "from": "/secret/s", "path": "/profile/x"},
    ):
        hidden = await refused(world, Principal("app", "a", {"profile": "write"}), "none", ops(operation))
        assert hidden.facts["sections"] == ["secret"]
    assert world.store.reads == 0


async def test_a_remembered_key_comes_before_the_end_of_the_session(world: World) -> None:
    """A retry after a lost answer is told its success, even if the session ended meanwhile."""
    made = world.make()
    first = await world.commits.commit(BILLING, made.sid, name("x", key=KEY))
    await world.store.end([made.sid], "revoked", detail="", actor="a", request_id="r")
    again = await world.node().commit(BILLING, made.sid, name("x", key=KEY))
    assert (again.replayed, again.position) == (True, first.position)


async def test_the_end_of_the_session_comes_before_if_match(world: World) -> None:
    """410 to who addresses it, 401 to who lives in it."""
    made = world.make()
    await world.store.end([made.sid], "revoked", detail="", actor="a", request_id="r")
    error = await refused(world, BILLING, made.sid, merge(EVERYTHING_WRONG, at=ELSEWHERE))
    assert isinstance(error, SessionEnded)
    assert error.facts == {"reason": "revoked", "ended_at": "2025-11-24T16:00:00.000Z"}
    assert isinstance(await refused(world, user(made, fresh=False), made.sid, name("x")), OwnSessionEnded)
    assert isinstance(await refused(world, user(world.now(made.sid)), made.sid, name("x")), OwnSessionEnded)


async def test_if_match_comes_before_the_patch(world: World) -> None:
    """412 and not 409: on another document the patch may well apply."""
    made = world.make()
    wrong = ops({"op": "test", "path": "/profile/name", "value": "Bob"}, at=ELSEWHERE)
    assert isinstance(await refused(world, BILLING, made.sid, wrong), PositionMismatch)


async def test_the_patch_comes_before_schema_and_limits(world: World) -> None:
    """409 and not 422."""
    made = world.make()
    bad = [{"op": "add", "path": "/preferences/theme", "value": "blue"}, {"op": "remove", "path": "/cart"}]
    assert isinstance(await refused(world, BILLING, made.sid, ops(*bad)), PatchConflict)


async def test_schema_and_limits_keep_the_document_as_it_was(world: World) -> None:
    """422 with places and messages; 413 with the limit that was passed; nothing is written."""
    made = world.make()
    error = await refused(world, BILLING, made.sid, merge(EVERYTHING_WRONG))
    assert isinstance(error, SchemaViolation)
    assert error.facts["errors"][0]["pointer"] == "/preferences/theme"
    section = await refused(world, BILLING, made.sid, merge({"cart": ["x" * 300]}))
    assert isinstance(section, TooLarge)
    assert section.facts["limit_bytes"] == 256
    whole = await refused(world, BILLING, made.sid, merge({"profile": "x" * 5000}))
    assert whole.facts["limit_bytes"] == 4096
    assert world.now(made.sid) == made
    assert world.store.commits == 0


async def test_a_session_that_is_not_there(world: World) -> None:
    """404 to services; to its own user it means that the credential names nothing."""
    made = world.make()
    del world.store.sessions[made.sid]
    assert isinstance(await refused(world, BILLING, made.sid, name("x")), SessionNotFound)
    assert isinstance(await refused(world, user(made, fresh=False), made.sid, name("x")), Unauthenticated)


# if-match


async def test_a_mismatch_says_where_the_session_stands_and_what_changed(world: World) -> None:
    """The current position, and the visible sections that differ since the one named."""
    made = world.make()
    await world.commits.commit(BILLING, made.sid, name("Grace"))
    last = await world.commits.commit(BILLING, made.sid, merge({"secret": {"s": 2}, "cart": [1]}))
    error = await refused(world, user(world.now(made.sid)), made.sid, name("x", at=made.position))
    assert error.facts == {"current": str(last.position), "changed_sections": ["cart", "profile"]}
    unknown = await refused(world, user(made, fresh=False), made.sid, name("x", at=Position(1, "deadbeef")))
    assert unknown.facts["changed_sections"] == ["cart", "identity", "preferences", "profile"]
    done = await world.commits.commit(BILLING, made.sid, name("Linus", at=last.position))
    assert done.base == last.position


# idempotency


async def test_the_same_key_and_body_is_answered_the_same(world: World) -> None:
    """One change; the replay comes before If-Match, so a retry never meets a false 412."""
    made = world.make()
    wanted = name("Grace", key=KEY, at=made.position)
    first = await world.commits.commit(BILLING, made.sid, wanted)
    await world.commits.commit(BILLING, made.sid, name("Linus"))
    for commits in (world.commits, world.node()):
        again = await commits.commit(BILLING, made.sid, wanted)
        assert again.replayed
        assert (again.base, again.position, again.changed, again.ops) == (first.base, first.position, True, first.ops)
    assert world.now(made.sid).position.revision == 3


async def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    """422, on whichever node; another actor's key is another key."""
    made = world.make()
    await world.commits.commit(BILLING, made.sid, name("Grace", key=KEY))
    for commits in (world.commits, world.node()):
        with pytest.raises(IdempotencyMismatch):
            await commits.commit(BILLING, made.sid, name("Linus", key=KEY))
    other = await world.commits.commit(replace(BILLING, name="other"), made.sid, name("Linus", key=KEY))
    assert (other.replayed, other.changed) == (False, True)


async def test_a_replay_shows_what_the_caller_may_see_today(world: World) -> None:
    """Ops outside today's grants are left out; all are, where history no longer has the change."""
    made = world.make()
    wanted = merge({"profile": {"name": "Grace"}, "cart": [1]}, key=KEY)
    await world.commits.commit(BILLING, made.sid, wanted)
    today = replace(BILLING, grants={"profile": "write", "cart": "write", "preferences": "read"})
    assert len((await world.commits.commit(today, made.sid, wanted)).ops or ()) == 2
    world.store.histories[made.sid].clear()
    assert (await world.commits.commit(BILLING, made.sid, wanted)).ops is None


async def test_no_change_is_remembered_too_and_refusals_are_not(world: World) -> None:
    """``changed: false`` again, though the same patch would change something by now; after a refusal, a real try."""
    made = world.make()
    same = name("Ada", key=KEY)
    first = await world.commits.commit(BILLING, made.sid, same)
    await world.commits.commit(BILLING, made.sid, name("Grace"))
    again = await world.commits.commit(BILLING, made.sid, same)
    assert (first.changed, first.replayed, again.changed, again.replayed) == (False, False, False, True)
    assert again.position == made.position
    late = name("Linus", key="other", at=ELSEWHERE)
    await refused(world, BILLING, made.sid, late)
    assert (await world.commits.commit(BILLING, made.sid, name("Linus", key="other"))).changed


# what changes nothing, and whole documents


@pytest.mark.parametrize(
    "wanted",
    [
        merge({}),
        merge({"profile": {"name": "Ada"}, "cart": None}),
        ops(),
        ops({"op": "test", "path": "/profile/name", "value": "Ada"}),
        ops({"op": "add", "path": "/cart", "value": 1}, {"op": "remove", "path": "/cart"}),
    ],
)
async def test_a_patch_that_changes_nothing_makes_no_revision(world: World, wanted: Intent) -> None:
    """200 with ``base == position`` and no ops; nothing is written or published."""
    made = world.make()
    done = await world.commits.commit(BILLING, made.sid, wanted)
    assert (done.base, done.position, done.changed, done.ops) == (made.position, made.position, False, [])
    assert world.store.commits == 0


async def test_replacing_the_whole_document_concerns_what_the_caller_sees(world: World) -> None:
    """Sections it cannot see stay; sections it may only read must stay as they are."""
    made = world.make()
    seen: dict[str, Any] = {"identity": {"sub": "ada"}, "profile": {"name": "Grace"}}
    browser = user(made)
    done = await world.commits.commit(browser, made.sid, ops({"op": "replace", "path": "", "value": seen}))
    assert world.now(made.sid).document == seen | {"secret": {"s": 1}}
    assert {op["path"] for op in done.ops or ()} == {"/preferences", "/profile"}
    refused_ones: list[dict[str, Any]] = [{"profile": {}}, seen | {"identity": {}}, seen | {"secret": {"s": 1}}]
    for value in refused_ones:
        error = await refused(
            world, user(world.now(made.sid)), made.sid, ops({"op": "add", "path": "", "value": value})
        )
        assert isinstance(error, Forbidden)
        assert error.facts["sections"] in (["identity"], ["secret"])
    assert world.now(made.sid).document["secret"] == {"s": 1}


async def test_the_answer_shows_only_what_the_caller_may_see(world: World) -> None:
    """Neither in the ops nor in the document."""
    made = world.make()
    narrow = Principal("app", "a", {"profile": "write"}, sid=made.sid)
    done = await world.commits.commit(narrow, made.sid, name("Grace"))
    assert done.document == {"profile": {"name": "Grace"}}
    assert BROWSER.keys() < ALL.keys()


# history


async def test_every_256th_revision_carries_the_document_and_trims_behind_an_older_one() -> None:
    """What is kept always begins with a whole document, and holds at least as many changes as configured."""
    world = World(history_changes=300)
    made, numbers = world.make(), range(3 * CHECKPOINT_EVERY)
    for number in numbers:
        await world.commits.commit(BILLING, made.sid, merge({"cart": number}))
        kept = world.store.histories[made.sid]
        assert kept[0].document is not None
        assert len(kept) >= min(300, number + 2)
    whole = {each.position.revision: each.document for each in kept if each.document is not None}
    assert whole.keys() == {256, 512, 768}
    assert whole[512] == FIRST | {"cart": 510}
    assert [trim for trim in world.store.trims if trim[1]] == [(768, 256)]


async def test_values_of_many_kinds_survive_a_commit(world: World) -> None:
    """Empty containers, null, large integers, any name."""
    made = world.make()
    value: dict[str, Any] = {"": [], "__proto__": {}, "n": None, "i": 2**53 - 1, "f": 0.1, "ü~/": [[{}], "\u0000"]}
    await world.commits.commit(BILLING, made.sid, ops({"op": "add", "path": "/profile", "value": value}))
    assert world.store.histories[made.sid][-1].ops == [{"op": "replace", "path": "/profile", "value": value}]
