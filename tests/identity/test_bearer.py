"""Bearer log-in: a fresh token of a configured provider opens one session, once."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from hub.errors import Maintenance, ProviderUnavailable, RateLimited, Unauthenticated
from hub.identity.bearer import BearerLogIn
from hub.identity.buckets import Buckets
from hub.identity.fetching import new_client
from hub.identity.jwks import ProviderDirectory
from hub.identity.log_ins import Proven
from hub.identity.provider_tokens import ProviderTokens
from hub.identity.providers import Provider
from tests.identity.fakes import OnceInMemory
from tests.identity.minting import claims, ec_key, mint
from tests.identity.servers import Server, publish
from tests.identity.worlds import NOW, Clock


@dataclass
class Case:
    """Two providers over HTTP, and the log-in that knows them."""

    log_in: BearerLogIn
    main: Server
    other: Server
    once: OnceInMemory = field(default_factory=OnceInMemory)
    clock: Clock = field(default_factory=Clock)

    async def verify(self, token: str, address: str = "192.0.2.1") -> Proven:
        return await self.log_in.verify(token, address=address, agent="curl/8\r\n")

    def token(self, server: Server | None = None, **changes: Any) -> str:
        return mint(claims(**{"iss": (server or self.main).url, **changes}))


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    with Server() as main, Server() as other:
        publish(main, ec_key().jwk)
        publish(other, ec_key("e2").jwk)
        async with new_client() as client:
            once, clock = OnceInMemory(), Clock()
            mapping = {"name": "name", "roles": "groups", "mail": "email"}
            providers = [
                Provider("main", main.url, "hub", audiences=frozenset({"hub", "api"}), claims=mapping),
                Provider("other", other.url, "hub-at-other"),
            ]
            directories = [(provider, ProviderDirectory(provider, client, clock)) for provider in providers]
            yield Case(
                BearerLogIn(ProviderTokens(directories, clock), once, Buckets(5, clock)), main, other, once, clock
            )


async def test_a_fresh_token_says_who_logged_in(case: Case) -> None:
    token = case.token(aud="api", name="Ada", groups=["x"], email=None, sid="s1", auth_time=NOW - 90, secret="not kept")
    proof = await case.verify(token)
    assert proof.identity == {"name": "Ada", "roles": ["x"]}
    log_in = proof.log_in
    assert (log_in.provider, log_in.issuer, log_in.user, log_in.idp_sid) == ("main", case.main.url, "ada", "s1")
    assert (log_in.auth_time, log_in.began_ms, log_in.agent) == (NOW - 90, NOW * 1000, "curl/8")


async def test_without_auth_time_the_token_itself_is_the_proof(case: Case) -> None:
    assert (await case.verify(case.token())).log_in.auth_time == NOW


async def test_a_token_opens_once(case: Case) -> None:
    """Threat 65: a replay is refused, in parallel too, for as long as the token would be accepted."""
    token = case.token()
    results = await asyncio.gather(*(case.verify(token) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, Proven) for result in results) == 1
    (seconds,) = case.once.marks.values()
    assert seconds >= 300
    case.clock.seconds += 299
    with pytest.raises(Unauthenticated):
        await case.verify(token, "192.0.2.9")


async def test_a_respelt_signature_is_no_new_token(case: Case) -> None:
    """ECDSA: (r, n - s) verifies as well, and must not count as another token."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    token = case.token()
    head, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    twin = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    respelt = f"{head}.{base64.urlsafe_b64encode(twin).rstrip(b'=').decode()}"
    await case.verify(respelt)
    with pytest.raises(Unauthenticated, match="used before"):
        await case.verify(token)


async def test_a_token_that_opened_nothing_may_be_tried_again(case: Case) -> None:
    token = case.token()
    await case.log_in.release(await case.verify(token))
    await case.verify(token)


async def test_an_old_token_opens_nothing(case: Case) -> None:
    """Threat 65: five minutes after it was issued a token is too old, whatever its ``exp``."""
    await case.verify(case.token(iat=NOW - 300, exp=NOW + 9000))
    with pytest.raises(Unauthenticated):
        await case.verify(case.token(iat=NOW - 301, exp=NOW + 9000))


async def test_the_issuer_chooses_the_provider_exactly(case: Case) -> None:
    """Threats 17, 28: one provider's key or audience is worth nothing at another."""
    good = mint(claims(iss=case.other.url, aud="hub-at-other"), ec_key("e2"))
    assert (await case.verify(good)).log_in.provider == "other"
    for token in (
        mint(claims(iss=case.other.url, aud="hub-at-other")),
        mint(claims(iss=case.main.url), ec_key("e2")),
        mint(claims(iss=case.other.url, aud="hub"), ec_key("e2")),
        case.token(iss=f"{case.main.url}/"),
        case.token(iss="https://evil.example"),
        case.token(iss=5),
        case.token(iss=[case.main.url]),
    ):
        with pytest.raises((Unauthenticated, RateLimited)):
            await case.verify(token)


async def test_nonsense_costs_the_provider_nothing(case: Case) -> None:
    """What the claims alone refuse is refused before any key is asked for."""
    for token in (case.token(aud="x"), case.token(exp=None), case.token(nonce="n"), "junk"):
        with pytest.raises(Unauthenticated):
            await case.verify(token)
    assert not case.main.requests


async def test_an_id_token_of_a_browser_log_in_opens_nothing(case: Case) -> None:
    """Threat 25: its nonce binds it to that log-in."""
    with pytest.raises(Unauthenticated):
        await case.verify(case.token(nonce="n-0S6"))


async def test_bad_tokens_are_limited_by_address(case: Case) -> None:
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await case.verify("junk")
    with pytest.raises(RateLimited):
        await case.verify("junk")
    await case.verify(case.token())


@pytest.mark.parametrize("value", ["\ud800", [[]] * 3 + [{"a": [1e999]}], 2**60, {"a": 2**70}])
async def test_a_claim_that_cannot_be_kept_is_a_401(case: Case, value: Any) -> None:
    """Threat 18: the section ``identity`` holds what any JSON reader can read."""
    try:
        proof = await case.verify(case.token(name=value))
    except Unauthenticated:
        return
    assert proof.identity["name"][3] == {"a": [None]}


async def test_a_deep_claim_is_a_401(case: Case) -> None:
    deep: Any = 1
    for _ in range(70):
        deep = [deep]
    with pytest.raises(Unauthenticated):
        await case.verify(case.token(name=deep))


async def test_store_or_provider_down_is_a_503(case: Case) -> None:
    """Threat 51: neither is the caller's fault."""
    case.once.is_down = True
    with pytest.raises(Maintenance):
        await case.verify(case.token())
    case.other.answers.clear()
    with pytest.raises(ProviderUnavailable):
        await case.verify(mint(claims(iss=case.other.url, aud="hub-at-other"), ec_key("e2")))
