"""What the rest of a node tells the metrics: commits by what became of them, races, providers, calls to the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from hub.errors import Contention, HubError, Maintenance, ProviderUnavailable, Unauthenticated
from hub.identity.compact import parse
from hub.identity.fetching import new_client
from hub.identity.jwks import ProviderDirectory
from hub.identity.providers import Provider
from hub.identity.refreshed import RETRY_SECONDS
from hub.sessions import commit as commits
from hub.store.calls import Calls, OutcomeUnknown
from hub.store.connecting import connector
from hub.store.sealing import KEY_BYTES, MasterKeys, SealBroken
from hub.telemetry import metrics
from tests.identity.minting import claims, ec_key, mint
from tests.identity.servers import Answer, Server, publish
from tests.identity.worlds import Clock
from tests.sessions.test_commit_races import _overtake_once
from tests.sessions.worlds import BILLING, World, merge, name, ops, user
from tests.support.counted import counted, forget, observed
from tests.support.stores import kill, test_store

OLD, NEW = bytes(KEY_BYTES), bytes([1]) * KEY_BYTES


async def test_commits_count_by_what_became_of_them() -> None:
    """Made, nothing to change, asked for again, and each refusal under its code."""
    world = World()
    made = world.make()
    forget(metrics.COMMITS, metrics.COMMIT_CONFLICTS)
    commit = world.sessions.commit
    await commit(BILLING, made.sid, name("a", key="k"))
    await commit(BILLING, made.sid, name("a", key="k"))
    await commit(BILLING, made.sid, name("a"))
    nobody = f"{'0' * 16}-{'x' * 22}"
    for caller, sid, intent in (
        (BILLING, nobody, name("b")),
        (user(made), made.sid, merge({"secret": 1})),
        (BILLING, made.sid, merge({"nothing": 1})),
        (BILLING, made.sid, ops({"op": "remove", "path": "/cart"})),
    ):
        with pytest.raises(HubError):
            await commit(caller, sid, intent)
    await world.store.end([made.sid], "revoked", detail="", actor="a", request_id="r")
    with pytest.raises(HubError):
        await commit(BILLING, made.sid, name("c"))
    made_by_outcome = {"committed": 1, "replayed": 1, "unchanged": 1, "session_ended": 1}
    refused = {"session_not_found": 1, "forbidden": 1, "unknown_section": 1, "patch_conflict": 1}
    assert counted(metrics.COMMITS) == {(word,): number for word, number in (made_by_outcome | refused).items()}
    assert counted(metrics.COMMIT_CONFLICTS) == 0


async def test_a_lost_race_is_a_conflict_and_one_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """And for who loses all of them it is contention."""
    world = World()
    made = world.make()
    forget(metrics.COMMITS, metrics.COMMIT_CONFLICTS)
    _overtake_once(world)
    await world.sessions.commit(BILLING, made.sid, name("a"))
    assert counted(metrics.COMMIT_CONFLICTS) == 1
    assert counted(metrics.COMMITS) == {("committed",): 1}
    monkeypatch.setattr(commits, "CONTENTION_SECONDS", -1.0)
    _overtake_once(world)
    with pytest.raises(Contention):
        await world.sessions.commit(BILLING, made.sid, name("b"))
    assert counted(metrics.COMMITS) == {("contention",): 1}


@pytest.fixture
def provider() -> Iterator[Server]:
    with Server() as made:
        publish(made, ec_key().jwk)
        yield made


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with new_client() as made:
        yield made


async def test_what_a_provider_publishes_counts_by_how_it_went(provider: Server, client: httpx.AsyncClient) -> None:
    """Had, silent, useless; and tokens that name a key which is not published."""
    clock = Clock()
    directory = ProviderDirectory(Provider("main", provider.url, "hub"), client, clock)
    forget(metrics.PROVIDER_FETCHES, metrics.UNKNOWN_KEYS)
    good, keys = dict(provider.answers), "/keys"
    for number, (answer, outcome) in enumerate([(Answer({}, 503), "down"), (Answer(b"<html>"), "useless")]):
        provider.answers[keys] = answer
        clock.seconds += RETRY_SECONDS
        with pytest.raises(ProviderUnavailable):
            await directory.key_for(parse(mint(claims(), kid="e1")))
        metadata = {} if number else {("main", "metadata", "ok"): 1}
        assert counted(metrics.PROVIDER_FETCHES) == {("main", "keys", outcome): 1, **metadata}
    provider.answers |= good
    clock.seconds += RETRY_SECONDS
    await directory.key_for(parse(mint(claims(), kid="e1")))
    assert counted(metrics.PROVIDER_FETCHES) == {("main", "keys", "ok"): 1}
    assert counted(metrics.UNKNOWN_KEYS) == {}
    with pytest.raises(Unauthenticated):
        await directory.key_for(parse(mint(claims(), kid="nobodys")))
    assert counted(metrics.UNKNOWN_KEYS) == {("main",): 1}


def test_data_keys_count_by_the_master_that_was_needed() -> None:
    """The active one, an older one that is still in the ring, one that is missing."""
    before = MasterKeys({"old": OLD}, "old")
    _, wrapped = before.new_data_key("sid")
    after = MasterKeys({"old": OLD, "new": NEW}, "new")
    _, fresh = after.new_data_key("sid")
    forget(metrics.DATA_KEYS)
    after.unwrap("sid", wrapped)
    after.unwrap("sid", fresh)
    with pytest.raises(SealBroken):
        before.unwrap("sid", fresh)
    assert counted(metrics.DATA_KEYS) == {("older",): 1, ("active",): 1, ("missing",): 1}


@pytest.mark.contract
async def test_calls_to_the_store_count_when_they_are_answered_and_by_why_they_are_not(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A batch counts for each of its calls; one that finds nobody is no answer."""
    server = test_store(tmp_path_factory.mktemp("s"))
    calls = Calls(connector(server.start(), None), lambda _: None)
    forget(metrics.STORE_SECONDS, metrics.STORE_FAILURES)
    asked = [calls.call("PING") for _ in range(5)]
    assert [await each for each in asked] == [b"PONG"] * 5
    answered = observed(metrics.STORE_SECONDS)
    assert sum(answered.counts) == 5
    assert 0 < answered.total / 5 < 5
    kill(server)
    for error in (OutcomeUnknown, Maintenance):
        with pytest.raises(error):
            await calls.call("PING")
    calls.refuse(Maintenance())
    with pytest.raises(Maintenance):
        await calls.call("PING")
    assert counted(metrics.STORE_FAILURES) == {("unanswered",): 1, ("unsent",): 1, ("refused",): 1}
    assert sum(observed(metrics.STORE_SECONDS).counts) == 0
    await calls.close()
