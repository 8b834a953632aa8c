"""Log-ins and log-outs on a provider's word: what was said before, elsewhere or by another counts for nothing."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.identity.minting import ec_key
from tests.support.adversary import Adversary, Court, court_of
from tests.support.answers import good, problem
from tests.support.log_ins import begin
from tests.support.malformed import twin
from tests.support.nodes import SERVICE_KEY, Cluster
from tests.support.security_log import SecurityLog
from tests.support.tabs import bearer

pytestmark = pytest.mark.edge

FLOOD = 1000


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster) -> Iterator[Court]:
    """One node before two providers that say what they are told to."""
    with court_of(hub_cluster) as court:
        yield court


async def is_live(court: Court, token: str) -> bool:
    """Whether a session token is still good."""
    return (await court.http.get("/v1/sessions/me", headers=bearer(token))).status_code == 200


async def session(court: Court, provider: Adversary, **changes: Any) -> str:
    """A session by a good token of a provider; its session token."""
    return str(good(await court.log_in(provider.token(**changes)), 201)["token"])


# 26


@pytest.mark.parametrize("changes", [{"iat": -121}, {"iat": -3600}, {"exp": -61}, {"iat": +61}], ids=repr)
async def test_26_a_logout_token_is_young(place: Court, changes: dict[str, int]) -> None:
    """Over two minutes old, expired, or from the future: 400, and the session it names lives."""
    async with place:
        token, now = await session(place, place.provider, sub="young"), int(time.time())
        moved: dict[str, Any] = {name: now + seconds for name, seconds in changes.items()}
        answer = await place.order(place.provider.token("logout", sub="young", **moved))
        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_request"
        assert await is_live(place, token)


async def test_26_a_logout_token_is_signed_and_counts_once(place: Court) -> None:
    """Unsigned or signed by another: 400. A replay: 400, and it does not end what was opened since."""
    provider = place.provider
    async with place:
        first = await session(place, provider, sub="once")
        order = provider.token("logout", sub="once")
        head, _, signature = order.rpartition(".")
        for forged in (f"{head}.", head, f"{head}.AAAA", provider.token("logout", ec_key("evil"), sub="once")):
            assert (await place.order(forged)).status_code == 400
        assert await is_live(place, first)
        assert (await place.order(order)).status_code == 200
        assert not await is_live(place, first)
        second = await session(place, provider, sub="once", iat=int(time.time()) + 1)
        for again in (order, f"{head}.{signature}", twin(order)):
            assert (await place.order(again)).status_code == 400
        assert await is_live(place, second)


async def test_26_a_flood_of_forged_logout_tokens_ends_nothing_and_hides_nothing(hub_cluster: Cluster) -> None:
    """1,000 of them: 429 soon, no session lost; a good one in the middle, from the same address, is obeyed."""
    with court_of(hub_cluster, HUB_LIMITS__FAILURES_PER_MINUTE="60") as court:
        async with court:
            provider, forger = court.provider, ec_key("evil")
            lives, ends = await session(court, provider, sub="lives"), await session(court, provider, sub="ends")
            forged = [court.order(provider.token("logout", forger, sub="lives")) for _ in range(FLOOD)]
            half = FLOOD // 2
            first = await asyncio.gather(*forged[:half])
            order = court.order(provider.token("logout", sub="ends"))
            *second, obeyed = await asyncio.gather(*forged[half:], order)
            statuses = [answer.status_code for answer in [*first, *second]]
            assert set(statuses) == {400, 429}
            assert statuses.count(400) < 100
            assert statuses[half:].count(429) > half * 0.9
            assert obeyed.status_code == 200
            assert not await is_live(court, ends)
            assert await is_live(court, lives)
            await court.is_in()


# 28


async def test_28_a_provider_ends_its_own_sessions_only(place: Court) -> None:
    """The same ``sub`` and the same ``sid`` at another provider: untouched, whichever of the two is named."""
    async with place:
        for names in (["sub"], ["sid"], ["sub", "sid"]):
            both = {"sub": secrets.token_hex(4), "sid": secrets.token_hex(4)}
            ours, theirs = await session(place, place.provider, **both), await session(place, place.other, **both)
            named: dict[str, Any] = {name: both[name] if name in names else None for name in both}
            assert (await place.order(place.provider.token("logout", place.other.key, **named))).status_code == 400
            assert await is_live(place, theirs), "a token with our issuer's name, signed by them, ends nothing"
            assert (await place.order(place.other.token("logout", **named))).status_code == 200
            assert await is_live(place, ours), names
            assert not await is_live(place, theirs), names


# 39


async def test_39_a_callback_belongs_to_the_browser_that_began_it_and_counts_once(place: Court) -> None:
    """No cookie, another browser's state, another user's code, no state, a second time: 400 and no session."""
    provider = place.provider
    async with place, place.browser() as victim, place.browser() as attacker:
        hers, his = await begin(victim), await begin(attacker)
        his_token = {"id_token": provider.token("id", nonce=his["nonce"], sub="attacker")}

        async def refused(client: httpx.AsyncClient, **query: str) -> None:
            answer = await client.get("/auth/callback", params=query)
            assert answer.status_code == 400, query
            assert "hub" not in client.cookies

        def code(asked: dict[str, str]) -> str:
            return provider.code({"id_token": provider.token("id", nonce=asked["nonce"])}, asked["code_challenge"])

        async with place.browser() as empty:
            await refused(empty, **place.query(hers, code=code(hers)))
        await refused(victim, **place.query(his, code=provider.code(his_token)))  # log-in CSRF: his state, her browser
        await refused(victim, code=code(hers), iss=provider.issuer)
        await refused(victim, **place.query({"state": hers["state"][:-1] + "x"}, code=code(hers)))
        await refused(victim, **place.query(hers, code=provider.code(his_token)))  # his code in her log-in: nonce
        hers = await begin(victim)
        await refused(victim, **place.query(hers, code=provider.code(his_token, his["code_challenge"])))  # PKCE
        hers = await begin(victim)
        used = place.query(hers, code=code(hers))
        assert (await victim.get("/auth/callback", params=used)).status_code == 303
        before = victim.cookies["hub"]
        again = {**used, "code": code(hers)}
        cookie = f"hub_tx_{hers['state'].partition('.')[0]}"
        async with place.browser() as thief:
            thief.cookies.set(cookie, "stolen")
            await refused(thief, **again)
        assert (await victim.get("/auth/callback", params=again)).status_code == 400
        assert victim.cookies["hub"] == before
        assert await is_live(place, before)


async def test_39_a_transaction_cookie_that_was_used_is_worth_nothing(place: Court) -> None:
    """Also for somebody who kept a copy of it, and has a fresh good code: 400."""
    provider = place.provider
    async with place, place.browser() as browser, place.browser() as copy:
        asked = await begin(browser)
        copy.cookies.update(browser.cookies)
        for client, status in ((browser, 303), (copy, 400)):
            answer = await place.call_back(client, asked, {"id_token": provider.token("id", nonce=asked["nonce"])})
            assert answer.status_code == status
        assert "hub" not in copy.cookies


# 62


async def test_62_an_answer_of_another_provider_finishes_nothing(place: Court) -> None:
    """Begun at one provider: the other's ``iss``, none at all, the other's code, or the other's ID token: 400."""
    main, other = place.provider, place.other
    async with place:
        for name, said in {
            "the other's iss": {"iss": other.issuer},
            "iss with a slash": {"iss": f"{main.issuer}/"},
            "an empty iss": {"iss": ""},
        }.items():
            async with place.browser() as browser:
                asked = await begin(browser)
                honest = {"id_token": main.token("id", nonce=asked["nonce"])}
                answer = await place.call_back(browser, asked, honest, **said)
                assert answer.status_code == 400, name
                assert "hub" not in browser.cookies
        async with place.browser() as browser:
            asked = await begin(browser)
            code = main.code({"id_token": main.token("id", nonce=asked["nonce"])})
            silent = await browser.get("/auth/callback", params={"state": asked["state"], "code": code})
            assert silent.status_code == 400, "a provider that says iss always says it"
        async with place.browser() as browser:
            asked = await begin(browser)
            theirs = {"id_token": other.token("id", nonce=asked["nonce"])}
            assert (await place.call_back(browser, asked, theirs, by="other")).status_code == 400, "their code"
            assert len(other.codes) == 1, "it was never shown to the other one"
            other.codes.clear()
        for token in ("theirs", "signed by them", "for another client"):
            async with place.browser() as browser:
                asked = await begin(browser)
                nonce: dict[str, Any] = {"nonce": asked["nonce"]}
                said = {
                    "theirs": other.token("id", **nonce),
                    "signed by them": main.token("id", other.key, **nonce),
                    "for another client": main.token("id", **nonce, aud="other"),
                }
                assert (await place.call_back(browser, asked, {"id_token": said[token]})).status_code == 400, token


# 65


async def test_65_a_token_that_was_used_opens_nothing_again(place: Court) -> None:
    """A replay is 401, also after the session it opened was ended, and is written down as reuse."""
    log = SecurityLog(place.cluster, place.node)
    async with place:
        token = place.provider.token(sub="replayed")
        opened = good(await place.log_in(token), 201)
        problem(await place.log_in(token), 401, "unauthenticated")
        ended = await place.http.delete("/v1/sessions/me", headers=bearer(opened["token"]))
        assert ended.status_code == 204
        problem(await place.log_in(token), 401, "unauthenticated")
        assert log.names().count("authn_token_reuse") == 2


async def test_65_one_token_shown_twenty_times_at_once_opens_one_session(place: Court) -> None:
    """Whoever comes first."""
    async with place:
        token = place.provider.token(sub="race")
        answers = await asyncio.gather(*(place.log_in(token) for _ in range(20)))
        assert sorted(answer.status_code for answer in answers) == [201] + [401] * 19


async def test_65_an_old_token_opens_nothing(place: Court) -> None:
    """Five minutes from ``iat``, however late it expires."""
    now = int(time.time())
    async with place:
        for age, status in ((290, 201), (310, 401), (3600, 401)):
            answer = await place.log_in(place.provider.token(sub="old", iat=now - age, exp=now + 3600))
            assert answer.status_code == status, age


async def test_65_a_token_from_before_a_universal_log_out_opens_nothing(place: Court) -> None:
    """It was never used and is young; it was issued before the user was signed out everywhere."""
    async with place:
        early = place.provider.token(sub="left")
        await session(place, place.provider, sub="left")
        gone = await place.http.delete("/v1/users/left/sessions?provider=main", headers=bearer(SERVICE_KEY))
        assert gone.status_code == 200
        problem(await place.log_in(early), 401, "unauthenticated")
        good(await place.log_in(place.provider.token(sub="left", iat=int(time.time()) + 1)), 201)
