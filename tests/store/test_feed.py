"""The feed on a real store: what is heard, what is not believed, and losses that are noticed."""

from __future__ import annotations

import asyncio

import pytest

from hub.core.ports import HeardChange, HeardEnd, HeardPresence
from hub.core.session import Session, user_tag
from hub.store import keys, line
from hub.store.store import Store
from tests.store.conftest import Member, Place
from tests.support.sessions import commit, committed, end, read

pytestmark = pytest.mark.contract


def sharded(place: Place, channel: str, payload: bytes) -> None:
    """Publish as somebody who can write to the store."""
    place.outside().execute_command("SPUBLISH", channel, payload)


async def test_after_subscribe_returns_nothing_is_missed(
    place: Place, members: tuple[Member, Member], session: Session
) -> None:
    """The store has confirmed it: a commit right after, by another node, is heard."""
    one, two = members
    await one.store.subscribe(user_tag(session.sid))
    at = await committed(two.store, session, cart={"n": 1})
    await one.ear.until(lambda: len(one.ear.heard) == 1)
    (heard,) = one.ear.heard
    assert isinstance(heard, HeardChange)
    assert (heard.sid, heard.position) == (session.sid, at.position)
    change = one.store.open_change(session, heard)
    assert change is not None
    assert change.ops == [{"op": "add", "path": "/cart", "value": {"n": 1}}]
    await end(two.store, session.sid, detail="card stolen")
    await one.ear.until(lambda: len(one.ear.heard) == 2)
    ended = one.ear.heard[1]
    assert isinstance(ended, HeardEnd)
    ending = one.store.open_end(session, ended)
    assert ending == (await read(one.store, session.sid)).ending


async def test_subscriptions_are_counted(members: tuple[Member, Member], session: Session) -> None:
    """The last follower who leaves ends it."""
    one, two = members
    tag = user_tag(session.sid)
    await asyncio.gather(*(one.store.subscribe(tag) for _ in range(3)))
    await one.store.unsubscribe(tag)
    at = await committed(two.store, session, cart={"n": 1})
    await one.ear.until(lambda: len(one.ear.heard) == 1)
    await one.store.unsubscribe(tag)
    await one.store.unsubscribe(tag)
    await committed(two.store, at, cart={"n": 2})
    await two.store.subscribe(tag)
    await two.store.arrive(session, "connection", None)
    await two.ear.until(lambda: bool(two.ear.heard))
    assert isinstance(two.ear.heard[-1], HeardPresence)
    assert len(one.ear.heard) == 1


async def test_forged_messages_open_nothing(place: Place, members: tuple[Member, Member], session: Session) -> None:
    """Nonsense is passed over; a change or end that was not sealed here, or is moved, does not open."""
    one, two = members
    channel = keys.channel(user_tag(session.sid))
    await one.store.subscribe(user_tag(session.sid))
    for payload in (
        b"",
        b"nonsense",
        b"c",
        b"c x",
        b"c x y z",
        b"e x y z",
        b"e x",
        b"\xff\xff",
        b"c \xff 1.00000000 x",
        b"p \xff",
    ):
        sharded(place, channel, payload)
    sid = session.sid.encode()
    sharded(place, channel, b"c " + sid + b" 2.aaaaaaaa " + b"x" * 60)
    sharded(place, channel, b"e " + sid + b" 1 " + b"x" * 60)
    at = await committed(two.store, session, cart={"n": 1})
    await one.ear.until(lambda: len(one.ear.heard) == 3)
    forged, forged_end, real = one.ear.heard
    assert isinstance(forged, HeardChange)
    assert isinstance(forged_end, HeardEnd)
    assert isinstance(real, HeardChange)
    assert one.store.open_change(session, forged) is None
    assert one.store.open_end(session, forged_end) is None
    assert one.store.open_change(session, real) is not None
    moved = HeardChange(session.sid, type(at.position)(9, at.position.tag), real.sealed)
    assert one.store.open_change(session, moved) is None
    assert one.store.open_end(session, HeardEnd(session.sid, 1, real.sealed)) is None


async def test_a_lost_feed_is_told_and_hears_again(
    place: Place, members: tuple[Member, Member], session: Session
) -> None:
    """Cut from outside: every follower is told once it is back, and subscriptions are still there."""
    one, two = members
    await one.store.subscribe(user_tag(session.sid))
    place.outside().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await one.ear.until(lambda: one.ear.restored == 1)
    await committed(two.store, session, cart={"n": 1})
    await one.ear.until(lambda: len(one.ear.heard) == 1)
    assert one.store.is_ready


async def test_a_deaf_feed_is_noticed(
    place: Place, members: tuple[Member, Member], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connected, but nothing arrives: the probe finds out, readiness fails, and it is opened anew."""
    monkeypatch.setattr(line, "PROBE_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(line, "PROBE_LATEST_SECONDS", 0.4)
    one, two = members
    await one.store.subscribe(user_tag(session.sid))
    connection = one.store.shards.all[0].line._connection
    assert connection is not None
    probe = keys.channel(one.store.shards.all[0].line._probe_tag)
    await connection.send_command("SUNSUBSCRIBE", probe, keys.channel(user_tag(session.sid)))
    await one.ear.until(lambda: one.ear.restored == 1)
    await committed(two.store, session, cart={"n": 1})
    await one.ear.until(lambda: len(one.ear.heard) == 1)


async def test_a_change_is_published_only_if_it_was_written(members: tuple[Member, Member], session: Session) -> None:
    """A lost race makes no sound; order of messages is order of commits."""
    one, two = members
    await one.store.subscribe(user_tag(session.sid))
    await asyncio.gather(
        *(commit(member.store, session, None, 0, cart={"n": n}) for n, member in enumerate(members * 5))
    )
    at = await read(two.store, session.sid)
    for n in range(5):
        at = await committed(two.store, at, cart={"m": n})
    await one.ear.until(lambda: len(one.ear.heard) == 6)
    positions = [heard.position for heard in one.ear.heard if isinstance(heard, HeardChange)]
    assert positions == [change.position for change in (await one.store.changes(at, session.position, 10)).changes]


async def test_presence_counts_living_nodes_only(
    place: Place, members: tuple[Member, Member], session: Session
) -> None:
    """Connections come, go, and vanish with a node that no longer says it lives."""
    one, two = members
    await one.store.arrive(session, "first", None)
    await two.store.arrive(session, "second", "a")
    found = {(each["id"], each["app"], each["node"]) for each in await one.store.connections(session.sid)}
    assert found == {("first", None, "one"), ("second", "a", "two")}
    place.outside().zadd(keys.NODES, {"two": two.store.clock.now_ms() - 16_000})
    assert [each["id"] for each in await one.store.connections(session.sid)] == ["first"]
    await two.store.presence.beat()
    assert len(await one.store.connections(session.sid)) == 2
    await one.store.depart(session.sid, "first")
    assert [each["id"] for each in await two.store.connections(session.sid)] == ["second"]


async def test_what_may_be_used_once_is_used_once(store: Store, members: tuple[Member, Member]) -> None:
    """Claimed or taken by one of many, on two nodes; released, it can be claimed again."""
    ones = [member.store.once for member in members]
    claims = await asyncio.gather(*(ones[n % 2].claim("bearer", "token-a", 30) for n in range(20)))
    assert sum(claims) == 1
    await ones[0].release("bearer", "token-a")
    assert await ones[1].claim("bearer", "token-a", 30)
    assert await ones[1].claim("ticket", "token-a", 30)
    await ones[0].put("ticket", "ticket-b", b"content", 30)
    taken = await asyncio.gather(*(ones[n % 2].take("ticket", "ticket-b") for n in range(20)))
    assert sorted(each or b"" for each in taken) == [b""] * 19 + [b"content"]


async def test_a_message_published_while_the_feed_is_cut_is_lost(
    place: Place, members: tuple[Member, Member], session: Session
) -> None:
    """The negative control: nothing but being told of the loss makes a follower find out."""
    one, two = members
    await one.store.subscribe(user_tag(session.sid))
    place.outside().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await end(two.store, session.sid)
    await one.ear.until(lambda: one.ear.restored == 1)
    await one.store.arrive(session, "connection", None)
    await one.ear.until(lambda: bool(one.ear.heard))
    assert not [heard for heard in one.ear.heard if isinstance(heard, HeardEnd)]
