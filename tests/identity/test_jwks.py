"""A provider's keys over real HTTP: kept, renewed, and never a reason to flood the provider or to lose a good key."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest

from hub.errors import ProviderUnavailable, Unauthenticated
from hub.identity import jwks
from hub.identity.compact import parse
from hub.identity.jwks import ProviderDirectory
from hub.identity.providers import Provider
from hub.identity.refreshed import FRESH_SECONDS, LAST_GOOD_SECONDS, RETRY_SECONDS
from tests.identity.minting import claims, ec_key, integer, mint, rsa_key
from tests.identity.servers import Answer, Server, publish
from tests.identity.worlds import Clock
from tests.support.waiting import eventually

KEYS = "/keys"


def directory(server: Server, client: httpx.AsyncClient, clock: Clock | None = None) -> ProviderDirectory:
    return ProviderDirectory(Provider("main", server.url, "hub"), client, clock or Clock())


def named(kid: str) -> Any:
    return parse(mint(claims(), kid=kid))


async def knows(provider: ProviderDirectory, kid: str = "e1") -> bool:
    try:
        await provider.key_for(named(kid))
    except Unauthenticated:
        return False
    return True


async def test_keys_are_fetched_once_for_ten_minutes(server: Server, client: httpx.AsyncClient) -> None:
    clock = Clock()
    provider = directory(server, client, clock)
    for _ in range(5):
        assert await knows(provider)
    clock.seconds += FRESH_SECONDS - 1
    assert await knows(provider)
    assert server.requests[KEYS] == 1
    clock.seconds += 1
    assert await knows(provider)
    assert server.requests[KEYS] == 2


async def test_all_first_callers_share_one_fetch(server: Server, client: httpx.AsyncClient) -> None:
    provider = directory(server, client)
    assert all(await asyncio.gather(*(knows(provider) for _ in range(50))))
    assert server.requests == {"/.well-known/openid-configuration": 1, KEYS: 1}


async def test_a_flood_of_unknown_keys_is_one_request(server: Server, client: httpx.AsyncClient) -> None:
    """Threat 22: 200 made-up key names at once cause one fetch, and a valid token meanwhile is not held up."""
    provider = directory(server, client)
    assert await knows(provider)
    flood = [knows(provider, f"made-up-{number}") for number in range(200)]
    found = await asyncio.gather(*flood[:100], knows(provider), *flood[100:])
    assert found.count(True) == 1
    assert server.requests[KEYS] == 2


async def test_a_valid_token_does_not_wait_for_the_flood(server: Server, client: httpx.AsyncClient) -> None:
    provider = directory(server, client)
    assert await knows(provider)
    held = threading.Event()
    server.answers[KEYS] = Answer({"keys": [ec_key().jwk]}, held=held)
    server.arrived.clear()
    waiting = asyncio.create_task(knows(provider, "made-up"))
    assert await asyncio.to_thread(server.arrived.wait, 5)
    assert await knows(provider)
    assert not waiting.done()
    held.set()
    assert not await waiting


async def test_a_slow_provider_holds_nobody_up_who_shows_a_known_key(
    server: Server, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old keys are renewed first, but that is waited for a moment only; whoever comes later has the new ones."""
    monkeypatch.setattr("hub.identity.refreshed.PATIENCE_SECONDS", 0.05)
    clock, held = Clock(), threading.Event()
    provider = directory(server, client, clock)
    assert await knows(provider)
    server.answers[KEYS] = Answer({"keys": [ec_key("e2").jwk]}, held=held)
    clock.seconds += FRESH_SECONDS
    async with asyncio.timeout(2):
        assert await knows(provider)
    held.set()

    async def is_renewed() -> bool:
        return not await knows(provider)

    await eventually(is_renewed)
    assert await knows(provider, "e2")


async def test_a_flood_at_the_start_is_one_request(server: Server, client: httpx.AsyncClient) -> None:
    """What was fetched because of the very first flood is new enough for all of it."""
    provider = directory(server, client)
    await asyncio.gather(*(knows(provider, f"made-up-{number}") for number in range(50)))
    assert server.requests[KEYS] == 1


async def test_a_rotated_key_is_found_at_once(server: Server, client: httpx.AsyncClient) -> None:
    """Threat 23: an unknown key name leads to a fetch; a key that was taken away is gone with it."""
    provider = directory(server, client)
    assert await knows(provider)
    publish(server, ec_key().jwk, ec_key("e2").jwk)
    assert await knows(provider, "e2")
    assert await knows(provider)
    publish(server, ec_key("e2").jwk)
    assert await knows(provider)


async def test_a_removed_key_is_refused_when_the_keys_are_renewed(server: Server, client: httpx.AsyncClient) -> None:
    clock = Clock()
    provider = directory(server, client, clock)
    assert await knows(provider)
    publish(server, ec_key("e2").jwk)
    clock.seconds += FRESH_SECONDS
    assert not await knows(provider)


async def test_looking_again_happens_every_30_seconds_at_most(server: Server, client: httpx.AsyncClient) -> None:
    clock = Clock()
    provider = directory(server, client, clock)
    assert await knows(provider)
    assert not await knows(provider, "e2")
    publish(server, ec_key().jwk, ec_key("e3").jwk)
    clock.seconds += jwks.EXTRA_FETCH_SECONDS - 1
    assert not await knows(provider, "e3")
    clock.seconds += 1
    assert await knows(provider, "e3")
    assert server.requests[KEYS] == 3


async def test_a_name_looked_for_in_vain_is_remembered(server: Server, client: httpx.AsyncClient) -> None:
    """A token with an unknown key name costs one fetch, not one in every 30 s."""
    clock = Clock()
    provider = directory(server, client, clock)
    assert await knows(provider)
    assert not await knows(provider, "nobody")
    clock.seconds += jwks.EXTRA_FETCH_SECONDS + 1
    assert not await knows(provider, "nobody")
    assert server.requests[KEYS] == 2
    clock.seconds += jwks.UNKNOWN_SECONDS
    assert not await knows(provider, "nobody")
    assert server.requests[KEYS] == 3


async def test_the_memory_of_unknown_names_is_bounded(server: Server, client: httpx.AsyncClient) -> None:
    clock = Clock()
    provider = directory(server, client, clock)
    assert await knows(provider)
    for number in range(jwks.MOST_UNKNOWN + 20):
        clock.seconds += jwks.EXTRA_FETCH_SECONDS
        await knows(provider, f"nobody-{number}")
    assert len(provider._unknown) <= jwks.MOST_UNKNOWN


ENCRYPTION_ONLY = {**rsa_key().jwk, "use": "enc"}
USELESS = {
    "down": Answer({}, 503),
    "empty": Answer({"keys": []}),
    "encryption only": Answer({"keys": [ENCRYPTION_ONLY]}),
    "512-bit RSA": Answer({"keys": [{**rsa_key().jwk, "n": integer(2**511 + 1)}]}),
    "HTML": Answer(b"<html>", headers={"Content-Type": "text/html"}),
    "redirect": Answer(b"", 302, {"Location": "/elsewhere"}),
    "too large": Answer({"keys": [ec_key("evil").jwk], "x": " " * 1024 * 1024}),
    "compressed": Answer({"keys": [ec_key("evil").jwk]}, headers={"Content-Encoding": "gzip"}),
    "deep": Answer(b"[" * 100_000),
    "no set": Answer([1]),
    "two keys of one name": Answer({"keys": [ec_key().jwk, {**ec_key("evil").jwk, "kid": "e1"}]}),
}


@pytest.mark.parametrize("answer", USELESS.values(), ids=USELESS)
async def test_a_useless_answer_keeps_the_last_good_keys(
    answer: Answer, server: Server, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Threat 24: whatever comes instead of keys, the known key still verifies, for a day; and it is written down."""
    clock = Clock()
    provider = directory(server, client, clock)
    assert await knows(provider)
    server.answers[KEYS] = answer
    server.answers["/elsewhere"] = Answer({"keys": [ec_key("evil").jwk]})
    clock.seconds += FRESH_SECONDS
    assert await knows(provider)
    assert not await knows(provider, "evil")
    assert server.requests["/elsewhere"] == 0
    assert "provider_answer_useless" in [record.message for record in caplog.records]
    clock.seconds += LAST_GOOD_SECONDS - FRESH_SECONDS - 1
    assert await knows(provider)
    clock.seconds += 1
    with pytest.raises(ProviderUnavailable):
        await provider.key_for(named("e1"))


async def test_a_failed_fetch_is_not_repeated_by_every_caller(server: Server, client: httpx.AsyncClient) -> None:
    clock = Clock()
    provider = directory(server, client, clock)
    server.answers[KEYS] = Answer({}, 500)
    for _ in range(10):
        with pytest.raises(ProviderUnavailable):
            await provider.key_for(named("e1"))
    assert server.requests[KEYS] == 1
    publish(server, ec_key().jwk)
    clock.seconds += RETRY_SECONDS
    assert await knows(provider)


async def test_a_provider_that_does_not_answer_is_a_503(client: httpx.AsyncClient) -> None:
    """Threat 51: not the caller's fault, and said with a time to come back."""
    provider = ProviderDirectory(Provider("main", "http://127.0.0.1:9", "hub"), client, Clock())
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.key_for(named("e1"))
    assert caught.value.headers()["Retry-After"]


async def test_an_address_in_a_token_gets_no_request(server: Server, client: httpx.AsyncClient) -> None:
    """Threat 21: ``jku`` and ``x5u`` are never followed."""
    provider = directory(server, client)
    for kid in ("e1", "made-up"):
        token = parse(mint(claims(), kid=kid, jku=f"{server.url}/jku", x5u=f"{server.url}/x5u"))
        if kid == "e1":
            await provider.key_for(token)
        else:
            with pytest.raises(Unauthenticated):
                await provider.key_for(token)
    assert server.requests["/jku"] == server.requests["/x5u"] == 0


async def test_a_caller_that_goes_away_does_not_stop_the_others(server: Server, client: httpx.AsyncClient) -> None:
    held = threading.Event()
    server.answers[KEYS] = Answer({"keys": [ec_key().jwk]}, held=held)
    provider = directory(server, client)
    impatient, patient = (asyncio.create_task(knows(provider)) for _ in range(2))
    await asyncio.to_thread(server.arrived.wait, 5)
    impatient.cancel()
    held.set()
    assert await patient
