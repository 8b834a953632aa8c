"""Reveals: written down first, shown then, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hub.core.access import View
from hub.core.limits import CHECKPOINT_EVERY
from hub.core.principal import Principal
from hub.core.session import Session
from hub.errors import (
    Compacted,
    Contention,
    HubError,
    Maintenance,
    ReadOnly,
    SessionEnded,
    SessionNotFound,
    Unconfirmed,
    UnknownSection,
)
from hub.protocol import messages
from hub.sessions import reveal as module
from hub.sessions.reveal import Look, Reveals
from tests.sessions.worlds import BILLING, FIRST, World, merge

OLGA = Principal("operator", "olga", {}, may_list=True, may_end=True, via_cookie=True)
WHY = "ticket 4711: cart is wrong"


def look(**more: Any) -> Look:
    return Look(WHY, "request-1", **more)


def scene() -> tuple[World, Session, Reveals]:
    """A live session, and a node that reveals."""
    world = World()
    return world, world.make(), Reveals(world.commits, world.sections)


async def test_a_reveal_is_in_history_and_nowhere_else() -> None:
    """One revision more, the same document, no deadline moved; who, why, when and what was shown."""
    world, made, reveals = scene()
    shown = await reveals.reveal(OLGA, made.sid, look())
    now, change = world.now(made.sid), world.store.histories[made.sid][-1]
    assert (shown.document, shown.position) == (FIRST, now.position)
    assert (now.document, now.position.revision) == (made.document, made.position.revision + 1)
    assert (now.idle_expires_ms, world.store.touches) == (made.idle_expires_ms, 0)
    assert (change.kind, change.ops, change.base) == ("reveal", [], made.position)
    assert (change.actor, change.reason, change.request_id) == ("operator:olga", WHY, "request-1")
    assert change.revealed == {"position": str(made.position)}


async def test_only_the_sections_asked_for_are_shown() -> None:
    """Those that there are; history names all that were asked for. Unknown ones are refused, and nothing is written."""
    world, made, reveals = scene()
    shown = await reveals.reveal(OLGA, made.sid, look(sections=["cart", "secret"]))
    assert shown.document == {"secret": FIRST["secret"]}
    revealed = world.store.histories[made.sid][-1].revealed
    assert revealed == {"position": str(made.position), "sections": ["cart", "secret"]}
    with pytest.raises(UnknownSection):
        await reveals.reveal(OLGA, made.sid, look(sections=["cart", "carts"]))
    assert len(world.store.histories[made.sid]) == 2


async def test_the_past_is_shown_as_it_was() -> None:
    """At its own position; one that is not of this history shows nothing and writes nothing."""
    world, made, reveals = scene()
    await world.commits.commit(BILLING, made.sid, merge({"secret": {"s": 2}}))
    shown = await reveals.reveal(OLGA, made.sid, look(position=made.position, sections=["secret"]))
    assert (shown.document, shown.position) == ({"secret": {"s": 1}}, made.position)
    revealed = world.store.histories[made.sid][-1].revealed
    assert revealed == {"position": str(made.position), "sections": ["secret"]}
    elsewhere = world.store.make(FIRST, sid="0123456789abcdef-elsewhere0000000000000").position
    with pytest.raises(Compacted):
        await reveals.reveal(OLGA, made.sid, look(position=elsewhere))
    assert world.now(made.sid).position.revision == 3


async def test_credentials_are_not_shown_even_so() -> None:
    """What proves a session is of no use to anybody who looks at it."""
    world, made, reveals = scene()
    await world.commits.commit(
        BILLING, made.sid, merge({"secret": {"t": "hub_st_0123456789abcdef-x.y", "iban": "DE89"}})
    )
    shown = await reveals.reveal(OLGA, made.sid, look(sections=["secret"]))
    assert shown.document == {"secret": {"s": 1, "t": "[secret]", "iban": "DE89"}}


@pytest.mark.parametrize("error", [Maintenance, ReadOnly, Unconfirmed])
async def test_what_could_not_be_written_down_is_not_shown(error: type[HubError]) -> None:
    """Whatever the store answers instead of yes."""
    world, made, reveals = scene()

    def refuse() -> None:
        world.store.failures.append(error())

    world.store.before_commit = refuse
    with pytest.raises(error):
        await reveals.reveal(OLGA, made.sid, look())
    assert len(world.store.histories[made.sid]) == 1


def rival(world: World, sid: str, times: int) -> Callable[[], None]:
    """Another node that gets in first, so many times; each time the cart has one more."""
    left = [times]

    def win() -> None:
        if left[0]:
            left[0] -= 1
            now = world.now(sid)
            document = now.document | {"cart": [*now.document.get("cart", []), 1]}
            world.store._write(now, world.node().entry(BILLING, now, document, kind="commit", ops=[], request_id="r"))

    return win


async def test_a_lost_race_shows_what_the_winner_left() -> None:
    """And history names that position, not the one that was read before."""
    world, made, reveals = scene()
    world.store.before_commit = rival(world, made.sid, 2)
    shown = await reveals.reveal(OLGA, made.sid, look(sections=["cart"]))
    change = world.store.histories[made.sid][-1]
    assert (change.kind, change.position.revision) == ("reveal", 4)
    assert change.revealed == {"position": str(change.base), "sections": ["cart"]}
    assert (shown.position, shown.document) == (change.position, {"cart": [1, 1]})


async def test_races_are_lost_for_two_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is contention, and nothing was shown."""
    monkeypatch.setattr(module, "CONTENTION_SECONDS", 0.05)
    world, made, reveals = scene()
    world.store.before_commit = rival(world, made.sid, 10_000)
    with pytest.raises(Contention):
        await reveals.reveal(OLGA, made.sid, look())
    assert not [each for each in world.store.histories[made.sid] if each.kind == "reveal"]


async def test_nothing_is_shown_of_a_session_that_is_over_or_was_never_there() -> None:
    """410 and 404, also when it ends while the reveal is under way."""
    world, made, reveals = scene()
    for sid in ("me", "nonsense", "0123456789abcdef-0000000000000000000009"):
        with pytest.raises(SessionNotFound):
            await reveals.reveal(OLGA, sid, look())

    def end_now() -> None:
        world.store._end(made.sid, "revoked")

    world.store.before_commit = end_now
    with pytest.raises(SessionEnded):
        await reveals.reveal(OLGA, made.sid, look())
    with pytest.raises(SessionEnded):
        await reveals.reveal(OLGA, made.sid, look())
    assert len(world.store.histories[made.sid]) == 1


async def test_commits_before_and_after_build_on_it() -> None:
    """The node's own guess of where the session stands does no harm, and a replay is still a replay."""
    world, made, reveals = scene()
    await world.commits.commit(BILLING, made.sid, merge({"cart": [1]}, key="k"))
    await reveals.reveal(OLGA, made.sid, look())
    again = await world.commits.commit(BILLING, made.sid, merge({"cart": [1]}, key="k"))
    assert again.replayed
    done = await world.commits.commit(BILLING, made.sid, merge({"cart": [1, 2]}))
    assert (done.changed, done.position.revision) == (True, 4)
    changed = await world.commits.changed_since(BILLING, world.now(made.sid), made.position)
    assert changed == ["cart"]


async def test_a_reveal_at_a_checkpoint_carries_the_document() -> None:
    """History can be rebuilt and trimmed from it, like from any other."""
    world, made, reveals = scene()
    for number in range(2, CHECKPOINT_EVERY):
        await world.commits.commit(BILLING, made.sid, merge({"cart": [number]}))
    await reveals.reveal(OLGA, made.sid, look())
    change = world.store.histories[made.sid][-1]
    assert (change.kind, change.position.revision) == ("reveal", CHECKPOINT_EVERY)
    assert change.document == world.now(made.sid).document


VIEWS: list[Callable[[], View]] = [
    lambda: View.of({"profile": "write"}),
    lambda: View.of(dict.fromkeys(FIRST, "read")),
]


@pytest.mark.parametrize("view", VIEWS)
async def test_a_tab_hears_an_empty_change_by_nobody(view: Callable[[], View]) -> None:
    """Whoever follows the session: position, time, and that is all."""
    world, made, reveals = scene()
    await reveals.reveal(OLGA, made.sid, look())
    change = world.store.histories[made.sid][-1]
    assert messages.change(change, view(), is_own=False) == {
        "type": "change",
        "base": str(made.position),
        "position": str(change.position),
        "ops": [],
        "at": change.at,
    }
