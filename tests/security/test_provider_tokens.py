"""Tokens of identity providers and of the hub itself: through HTTP, before a real node."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jose.utils import base64url_decode
from shared.context import BadContext, ContextReader

from tests.identity.minting import base64url, ec_key, mint, mint_hs256
from tests.identity.servers import Answer
from tests.security.trial import GOOD, begun, tried, wrong
from tests.support.adversary import KINDS, Court, court_of
from tests.support.answers import good, problem
from tests.support.contexts import context_token
from tests.support.echo import EchoApp
from tests.support.malformed import Forge, stray_bits, twin
from tests.support.nodes import Cluster
from tests.support.security_log import SecurityLog
from tests.support.tabs import bearer, log_in

pytestmark = pytest.mark.edge


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster) -> Iterator[Court]:
    """One node before two providers that say what they are told to."""
    with court_of(hub_cluster) as court:
        yield court


# 14


def forgeries(token: str, key: dict[str, str]) -> dict[str, str]:
    """Context tokens without a signature, or signed with the public key as a secret."""
    x, y = (int.from_bytes(base64url_decode(key[name].encode()), "big") for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    forms = {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(key).encode(),
        "x": base64url_decode(key["x"].encode()),
    }
    header, payload, signature = token.split(".")
    said, claimed = (json.loads(base64url_decode(part.encode())) for part in (header, payload))
    made: dict[str, str] = {}
    for name in ("none", "None", "nOnE", "NONE"):
        unsigned = f"{base64url(json.dumps({**said, 'alg': name}).encode())}.{payload}"
        made |= {f"{name}, no signature": f"{unsigned}.", f"{name}, the old signature": f"{unsigned}.{signature}"}
    for form, secret in forms.items():
        made[f"HS256 with {form}"] = mint_hs256(claimed, secret, **{**said, "alg": "HS256"})
        made[f"HS256 with {form}, called ES256"] = mint_hs256(claimed, secret, **said)
    made["another payload"] = f"{header}.{base64url(json.dumps({**claimed, 'sub': 'root'}).encode())}.{signature}"
    made["somebody else's key"] = mint(claimed, ec_key("somebody else's"), **said)
    return made


async def test_14_a_forged_context_token_is_worth_nothing_at_the_hub_and_at_an_app(hub_cluster: Cluster) -> None:
    """``none`` in every case and the public key as an HMAC secret: 401 here, refused by the check that apps use."""
    with EchoApp() as echo:
        upstream: dict[str, Any] = {"HUB_APPS__A__UPSTREAM": echo.url}
        node = hub_cluster.node(**upstream)
        token = await context_token(node, await log_in(hub_cluster, node), "a")
    async with httpx.AsyncClient(base_url=node.url) as client:
        keys = (await client.get("/.well-known/jwks.json")).json()["keys"]

        async def fetch_keys() -> list[dict[str, Any]]:
            return list(keys)

        app = ContextReader(issuer=node.url, app="a", fetch_keys=fetch_keys)
        for name, forged in forgeries(token, keys[0]).items():
            answer = await client.get("/v1/sessions/me/document", headers=bearer(forged))
            assert answer.status_code == 401, name
            with pytest.raises(BadContext):
                await app.read(forged)
        good(await client.get("/v1/sessions/me/document", headers=bearer(token)))
        assert (await app.read(token)).user == "ada"


# 15 to 21: one malformed token after another, by each road


@pytest.mark.parametrize("kind", KINDS)
async def test_15_no_token_chooses_its_own_algorithm(place: Court, kind: str) -> None:
    """``none``, HMAC with a public key, another family, another curve: refused for ID, access and logout tokens."""
    async with place:
        assert not wrong(kind, await tried(place, kind, ["algorithms", "keys"]))


@pytest.mark.parametrize("kind", KINDS)
async def test_16_a_token_without_a_required_claim_is_refused(place: Court, kind: str) -> None:
    """Each of ``exp``, ``iat``, ``iss``, ``aud`` and what the kind needs beside them, taken away in turn."""
    own = {"access": ["sub"], "id": ["sub", "nonce"], "logout": ["jti", "events", "sub"]}[kind]
    async with place:
        for name in ("exp", "iat", "iss", "aud", *own):
            forge, show = await begun(place, kind)
            assert await show(forge.token(forge.good(**{name: None}))) == (401 if kind == "access" else 400), name
        forge, show = await begun(place, kind)
        assert await show(forge.token()) == GOOD[kind]


@pytest.mark.parametrize("kind", KINDS)
async def test_17_issuer_audience_party_and_nonce_are_exact(place: Court, kind: str) -> None:
    """A slash more, a letter's case, a look-alike, a second audience without ``azp``: refused."""
    async with place:
        assert not wrong(kind, await tried(place, kind, ["claims"]))
        forge, show = await begun(place, kind)
        both = forge.good(aud=["other", "hub"], azp="hub")
        assert await show(forge.token(both)) == GOOD[kind], "several audiences are fine if the token names us its party"


@pytest.mark.parametrize("kind", KINDS)
async def test_18_odd_claims_are_refused_and_never_a_server_error(place: Court, kind: str) -> None:
    """``null``, lists, infinities, texts, negative and endless numbers in every claim; no traceback in the log."""
    log = SecurityLog(place.cluster, place.node)
    async with place:
        assert not wrong(kind, await tried(place, kind, ["odd"]))
    assert "Traceback" not in log.text()


@pytest.mark.parametrize("kind", KINDS)
async def test_19_parser_bombs_cost_next_to_nothing(place: Court, kind: str) -> None:
    """A megabyte, nesting by the thousand, JWEs, repeated members: refused within 50 ms; memory stays flat."""
    async with place:
        assert not wrong(kind, await tried(place, kind, ["bombs", "spellings"]))
        before = place.rss_bytes()
        for _ in range(5):
            assert not wrong(kind, await tried(place, kind, ["bombs"]))
        assert place.rss_bytes() - before < 8 * 1024 * 1024


async def test_20_a_token_has_one_spelling_and_counts_once_in_any(place: Court) -> None:
    """Stray bits, padding, line ends: refused. The twin of an ECDSA signature verifies, and is the same used token."""
    provider = place.provider
    async with place:
        for number in range(3):
            assert (await place.log_in(stray_bits(provider.token(), number))).status_code == 401
        fresh = provider.token()
        for respelt in (f"{fresh}=", f"{fresh}==", f"{fresh}!", fresh.replace(".", "..", 1), f"{fresh}.", f".{fresh}"):
            assert (await place.log_in(respelt)).status_code == 401
        good(await place.log_in(fresh), 201)
        problem(await place.log_in(twin(fresh)), 401, "unauthenticated")
        good(await place.log_in(twin(provider.token())), 201)  # so what was refused is the use, not the spelling


@pytest.mark.parametrize("kind", KINDS)
async def test_21_a_token_brings_neither_extensions_nor_its_own_key(place: Court, kind: str) -> None:
    """``crit`` is refused, ``jku``, ``x5u``, ``x5c`` and ``jwk`` are not looked at: the lure is never asked for."""
    async with place:
        assert not wrong(kind, await tried(place, kind, ["headers"]))
        lure = f"{place.provider.url}/lure"
        forge, show = await begun(place, kind)
        token = forge.token(jku=lure, x5u=lure, jwk=ec_key("somebody else's").jwk)
        assert await show(token) == GOOD[kind], "they do not hinder a token that is good without them"
    assert place.provider.requests["/lure"] == 0


# 22


async def test_22_a_flood_of_unknown_keys_is_one_request_to_the_provider(hub_cluster: Cluster) -> None:
    """400 tokens with made-up key names, 200 of them while the provider thinks: one more request for keys; good tokens
    meanwhile are let in."""
    with court_of(hub_cluster) as court:
        async with court:
            await court.is_in()
            provider, forge, held = court.provider, Forge(court.provider, "access"), threading.Event()
            before = provider.requests["/keys"]
            provider.answers["/keys"] = Answer({"keys": [provider.key.jwk]}, held=held)
            provider.arrived.clear()
            first = [asyncio.create_task(court.log_in(forge.token(kid=secrets.token_hex(8)))) for _ in range(200)]
            try:
                assert await asyncio.to_thread(provider.arrived.wait, 5)
                async with (
                    asyncio.timeout(4),
                    court.browser() as elsewhere,
                ):  # the flood has all of the other's connections
                    for _ in range(10):
                        good(await elsewhere.post("/v1/sessions", headers=bearer(provider.token())), 201)
            finally:
                held.set()
            answers = await asyncio.gather(*first)
            answers += await asyncio.gather(*(court.log_in(forge.token(kid=secrets.token_hex(8))) for _ in range(200)))
            assert [answer.status_code for answer in answers] == [401] * 400
            assert provider.requests["/keys"] - before == 1


# 25


async def test_25_each_kind_of_token_is_good_for_its_own_road_only(place: Court) -> None:
    """ID token, access token and logout token by each of three roads: the diagonal passes, nothing else."""
    async with place:
        seen = {}
        for kind in KINDS:
            for road in KINDS:
                forge, show = await begun(place, road)
                nonce = {"nonce": forge.good().get("nonce", "n")} if kind == "id" else {}
                token = Forge(place.provider, kind, **nonce).token()
                seen[kind, road] = await show(token)
        refused = {"access": 401, "id": 400, "logout": 400}
        assert seen == {(kind, road): GOOD[road] if kind == road else refused[road] for kind in KINDS for road in KINDS}
