"""Threats from whoever can write to the store: what was swapped, rolled back, planted or forged is not believed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from redis import Redis

from hub.core.session import user_tag
from hub.store import keys
from tests.security.roads import in_browser
from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node
from tests.support.security_log import SecurityLog
from tests.support.tabs import Opened, Tab, as_service, as_user, bearer, log_in, merge, open_tab

pytestmark = pytest.mark.edge

Fields = dict[bytes, bytes]


class Thief:
    """Somebody who can read and write the store, and has no key."""

    def __init__(self, cluster: Cluster) -> None:
        self._store: Any = Redis.from_url(cluster.store_url)

    def close(self) -> None:
        self._store.close()

    def record(self, opened: Opened) -> Fields:
        """All of a record."""
        found: Fields = self._store.hgetall(keys.record(opened.sid))
        return found

    def write(self, opened: Opened, fields: Fields) -> None:
        """Replace a record."""
        pipe = self._store.pipeline().delete(keys.record(opened.sid))
        pipe.hset(keys.record(opened.sid), mapping=fields).execute()

    def entries(self, opened: Opened) -> list[tuple[bytes, Fields]]:
        """A history."""
        found: list[tuple[bytes, Fields]] = self._store.xrange(keys.history(opened.sid))
        return found

    def rewrite(self, opened: Opened, entries: list[tuple[bytes, Fields]]) -> None:
        """Replace a history."""
        pipe = self._store.pipeline().delete(keys.history(opened.sid))
        for name, fields in entries:
            pipe.xadd(keys.history(opened.sid), fields, id=name)
        pipe.execute()

    def publish(self, opened: Opened, message: bytes) -> None:
        """Say something on the feed; somebody must hear it."""
        assert self._store.execute_command("SPUBLISH", keys.channel(user_tag(opened.sid)), message) >= 1


@pytest.fixture
def thief(hub_cluster: Cluster) -> Any:
    made = Thief(hub_cluster)
    yield made
    made.close()


# 46

Swap = Callable[[Fields, Fields, Fields], Fields]


def taken(*names: bytes) -> Swap:
    """Those fields of another session's record."""
    return lambda _, __, other: {name: other[name] for name in names}


def rolled_back(*names: bytes) -> Swap:
    """Those fields as they were before."""
    return lambda _, old, __: {name: old[name] for name in names}


def set_to(name: bytes, value: bytes) -> Swap:
    """One field of the thief's own making."""
    return lambda *_: {name: value}


SWAPS: dict[str, Swap] = {
    "another session's document": taken(b"doc"),
    "another session's document under its position": taken(b"doc", b"position"),
    "another session's data key": taken(b"dek"),
    "another session's document and data key": taken(b"doc", b"dek"),
    "another session's user": taken(b"meta"),
    "another session's whole content": taken(b"doc", b"dek", b"meta", b"position", b"chain"),
    "an old document under the new position": rolled_back(b"doc"),
    "the new document under an old position": rolled_back(b"position"),
    "the document in the place of the user": lambda now, *_: {b"meta": now[b"doc"]},
    "the user in the place of the document": lambda now, *_: {b"doc": now[b"meta"]},
    "a bit changed": lambda now, *_: {b"doc": now[b"doc"][:-1] + bytes([now[b"doc"][-1] ^ 1])},
    "plaintext": set_to(b"doc", b'{"profile": {"name": "Eve"}}'),
    "nothing": set_to(b"doc", b""),
    "a position that is none": set_to(b"position", b"1e9.zzzzzzzz"),
    "a data key of the thief's own": set_to(b"dek", b"k" * 64),
    "an end that nobody declared": set_to(b"status", b"ended"),
}


@pytest.mark.parametrize("name", SWAPS)
async def test_46_a_record_that_was_tampered_with_is_quarantined(
    hub_cluster: Cluster, node: Node, thief: Thief, name: str
) -> None:
    """401 for its user, 404 for others, one critical event per read, nothing of it shown; other sessions go on, and the
    record put right is good again: nothing was destroyed."""
    victim, other = await log_in(hub_cluster, node, "grace"), await log_in(hub_cluster, node, "mallory")
    async with as_user(node, victim) as user, as_user(node, other) as neighbour, as_service(node) as service:
        good(await merge(user, "me", {"profile": {"name": "before"}}))
        old = thief.record(victim)
        good(await merge(user, "me", {"profile": {"name": "now"}}))
        good(await merge(neighbour, "me", {"profile": {"name": "of mallory"}}))
        now, log = thief.record(victim), SecurityLog(hub_cluster, node)
        thief.write(victim, now | SWAPS[name](now, old, thief.record(other)))
        for path in ("/v1/sessions/me", "/v1/sessions/me/document"):
            problem(await user.get(path), 401, "unauthenticated")
            events = log.events()
            assert [event["event"] for event in events] == ["session_quarantined", "authn_login_fail"]
            assert (events[0]["level"], events[0]["sid"]) == ("critical", victim.sid)
        problem(await service.get(f"/v1/sessions/{victim.sid}/document"), 404, "session_not_found")
        problem(await merge(service, victim.sid, {"profile": {"n": 1}}), 404, "session_not_found")
        assert good(await neighbour.get("/v1/sessions/me/document"))["profile"] == {"name": "of mallory"}
        thief.write(victim, now)
        assert good(await user.get("/v1/sessions/me/document"))["profile"] == {"name": "now"}
        good(await merge(user, "me", {"profile": {"name": "after"}}))


async def test_46_a_record_put_back_whole_takes_no_commit_and_still_ends(
    hub_cluster: Cluster, node: Node, thief: Thief
) -> None:
    """Every seal of an old record holds, but its history has gone on: nothing is written over that, not even a reveal,
    whoever tries hears of no session, one critical event tells of each, and an end is an end."""
    victim = await log_in(hub_cluster, node, "grace")
    olga = await log_in(hub_cluster, node, "olga", groups=["operators"])
    async with as_service(node) as service, in_browser(node, olga) as operator:
        old = thief.record(victim)
        good(await merge(service, victim.sid, {"profile": {"name": "now"}}))
        log, own = SecurityLog(hub_cluster, node), f"/v1/sessions/{victim.sid}"
        thief.write(victim, old)
        told = [("session_quarantined", victim.sid)]
        problem(await merge(service, victim.sid, {"profile": {"name": "again"}}), 404, "session_not_found")
        assert [(event["event"], event["sid"]) for event in log.events()] == told
        problem(await operator.post(f"{own}/reveal", json={"reason": "ticket 4711"}), 404, "session_not_found")
        assert [(event["event"], event["sid"]) for event in log.events()] == told
        assert thief.record(victim) == old
        good(await service.delete(own), 204)
        assert "session_quarantined" in [event["event"] for event in log.events()]
        problem(await service.get(f"{own}/document"), 410, "session_ended")


async def test_46_a_quarantined_session_shows_its_tabs_nothing(hub_cluster: Cluster, node: Node, thief: Thief) -> None:
    """A tab that reads again after the record was tampered with is closed; it never sees what was put there."""
    victim, other = await log_in(hub_cluster, node, "grace"), await log_in(hub_cluster, node, "mallory")
    async with as_user(node, other) as neighbour, await open_tab(node, victim.token) as tab:
        good(await merge(neighbour, "me", {"profile": {"name": "of mallory"}}))
        await tab.until_live()
        thief.write(victim, thief.record(victim) | {b"doc": thief.record(other)[b"doc"]})
        thief.publish(victim, b"c " + victim.sid.encode() + b" 9.00000000 forged")  # makes it read
        await tab.until_closed()
        assert tab.code == 4501
        assert "mallory" not in str(tab.frames)


MESSES: dict[str, Callable[[list[Any], list[Any]], list[Any]]] = {
    "two entries changed places": lambda own, _: [own[0], (own[1][0], own[2][1]), (own[2][0], own[1][1])],
    "another session's entries": lambda own, other: [own[0], (own[1][0], other[1][1]), *own[2:]],
    "an entry of the thief's own": lambda own, _: [own[0], (own[1][0], {b"e": b"{}", b"c": b"0" * 32}), *own[2:]],
    "an entry without content": lambda own, _: [own[0], (own[1][0], {b"x": b"y"}), *own[2:]],
    "a chain value of the thief's own": lambda own, _: [own[0], (own[1][0], own[1][1] | {b"c": b"0" * 32}), *own[2:]],
}


@pytest.mark.parametrize("name", MESSES)
async def test_46_a_history_that_was_tampered_with_is_not_shown(
    hub_cluster: Cluster, node: Node, thief: Thief, name: str
) -> None:
    """410 instead of changes that are not this session's, and a critical security event; the document is untouched."""
    victim, other = await log_in(hub_cluster, node, "grace"), await log_in(hub_cluster, node, "mallory")
    async with as_user(node, victim) as user, as_user(node, other) as neighbour:
        for number in (1, 2):
            good(await merge(user, "me", {"profile": {"n": number}}))
            good(await merge(neighbour, "me", {"profile": {"of": "mallory"}}))
        thief.rewrite(victim, MESSES[name](thief.entries(victim), thief.entries(other)))
        log = SecurityLog(hub_cluster, node)
        said = await user.get("/v1/sessions/me/changes", params={"since": victim.position})
        problem(said, 410, "compacted")
        events = [(event["event"], event["level"], event["sid"]) for event in log.events()]
        assert events == [("crypt_decrypt_fail", "critical", victim.sid)]
        assert good(await user.get("/v1/sessions/me/document"))["profile"] == {"n": 2}


# 66


async def test_66_a_planted_verifier_opens_nothing(hub_cluster: Cluster, node: Node, thief: Thief) -> None:
    """Whoever can write to the store cannot make a token for a session: verifiers are keyed and bound to the sid."""
    victim, own = await log_in(hub_cluster, node, "grace"), await log_in(hub_cluster, node, "mallory")
    token = f"hub_st_{victim.sid}.{own.token.partition('.')[2]}"
    good_one = thief.record(own)[b"verifier"]
    kid, whole = good_one.partition(b":")[0], thief.record(victim)
    digests = [hashlib.sha256(text.encode()).digest() for text in (token, own.token, token.partition(".")[2])]
    planted = [good_one, b"", b":", kid + b":", *(kid + b":" + digest for digest in digests), b"".join(digests)]
    log = SecurityLog(hub_cluster, node)
    async with httpx.AsyncClient(base_url=node.url, headers=bearer(token)) as client:
        for verifier in planted:
            thief.write(victim, whole | {b"verifier": verifier})
            problem(await client.get("/v1/sessions/me"), 401, "unauthenticated")
            assert log.names() == ["authn_login_fail"]
    thief.write(victim, whole)
    async with as_user(node, victim) as user:
        good(await user.get("/v1/sessions/me"))


@asynccontextmanager
async def followed(cluster: Cluster, node: Node) -> AsyncIterator[tuple[Opened, Tab]]:
    """A session with a tab."""
    opened = await log_in(cluster, node, "grace")
    async with await open_tab(node, opened.token) as tab:
        await tab.until_live()
        yield opened, tab


async def test_66_a_forged_message_changes_no_copy_and_ends_no_session(
    hub_cluster: Cluster, node: Node, thief: Thief
) -> None:
    """A change or an end that no node published is not believed: the tab reads again, stays what it was, and each
    forgery is a critical security event. Real changes still arrive."""
    async with followed(hub_cluster, node) as (victim, tab), as_user(node, victim) as user:
        sid, next_one = victim.sid.encode(), b"2.00000000"
        other = await log_in(hub_cluster, node, "mallory")
        stolen = thief.entries(other)[0][1][b"e"]
        forged = [
            b"c " + sid + b" " + next_one + b" " + b'{"kind":"commit","ops":[]}',
            b"c " + sid + b" " + next_one + b" " + stolen,
            b"c " + sid + b" " + victim.position.encode() + b" " + stolen,
            b"c " + sid + b" " + next_one + b" " + thief.entries(victim)[0][1][b"e"],
            b"e " + sid + b" 1700000000000 " + b'{"reason":"revoked"}',
            b"e " + sid + b" 1700000000000 " + stolen,
            b"c " + sid + b" nonsense",
            b"e " + sid + b" never x",
            b"\xff\xfe\x00",
        ]
        log = SecurityLog(hub_cluster, node)
        for message in forged:
            thief.publish(victim, message)
            event = await log.until("crypt_decrypt_fail")
            assert event["level"] == "critical"
        done = good(await merge(user, "me", {"profile": {"name": "real"}}))
        await tab.until(lambda tab: tab.position == done["position"])
        assert tab.document["profile"] == {"name": "real"}
        assert set(tab.types) <= {"snapshot", "live", "change"}
        assert "ended" not in tab.types
        assert tab.code is None
        assert log.events() == []


async def test_66_an_old_message_said_again_changes_nothing(hub_cluster: Cluster, node: Node, thief: Thief) -> None:
    """A replayed genuine change is known already: the tab neither goes back nor reads again."""
    async with followed(hub_cluster, node) as (victim, tab), as_user(node, victim) as user:
        first = good(await merge(user, "me", {"profile": {"name": "old"}}))
        await tab.until(lambda tab: tab.position == first["position"])
        (_, (_, entry)) = thief.entries(victim)
        second = good(await merge(user, "me", {"profile": {"name": "new"}}))
        await tab.until(lambda tab: tab.position == second["position"])
        thief.publish(victim, b"c " + victim.sid.encode() + b" " + first["position"].encode() + b" " + entry[b"e"])
        third = good(await merge(user, "me", {"cart": {"n": 3}}))
        await tab.until(lambda tab: tab.position == third["position"])
        assert [frame["position"] for frame in tab.frames if frame["type"] == "change"] == [
            done["position"] for done in (first, second, third)
        ]
        assert tab.document["profile"] == {"name": "new"}
