"""The hub and a provider that has turned against it: every malformed token by every road, and every useless key set.

Real sockets, a real store, a real node: what is counted is what a team on call would see.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.identity.minting import Key, ec_key, rsa_key
from tests.identity.servers import Answer
from tests.security.trial import has_own_spelling, tried, wrong
from tests.support.adversary import EC_KID, KINDS, Court, court_of, renamed
from tests.support.malformed import SMALL_RSA, Forge
from tests.support.nodes import Cluster
from tests.support.security_log import SecurityLog, lines_of
from tests.support.waiting import eventually

pytestmark = [pytest.mark.edge, pytest.mark.timeout(120)]

MOST_GROWTH_BYTES = 5 * 1024 * 1024
ROUNDS = 2000
KEYS, METADATA = "/keys", "/.well-known/openid-configuration"


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster) -> Iterator[Court]:
    """One node before the adversary, for tokens."""
    with court_of(hub_cluster) as court:
        court.provider.publish_honestly(SMALL_RSA)
        yield court


@pytest.mark.parametrize("kind", KINDS)
async def test_every_malformed_token_is_refused_soon_and_never_a_server_error(place: Court, kind: str) -> None:
    """401 or 400, less than 50 ms of processor time each, nothing unexpected in the log, good tokens work in between;
    and where a token says its key were, nobody has asked."""
    log, count = SecurityLog(place.cluster, place.node), 0
    async with place:
        for family in Forge(place.provider, kind).families():
            verdicts = await tried(place, kind, [family])
            assert not wrong(kind, verdicts)
            count += len(verdicts)
    assert count >= 300
    assert place.provider.requests["/lure"] == 0
    text = log.text()
    assert "Traceback" not in text
    assert not [line for line in lines_of(text) if line["level"] in ("error", "critical")]


async def test_two_thousand_malformed_tokens_leave_no_trace_in_memory(place: Court) -> None:
    """The node's memory grows by less than 5 MiB, and a good log-in works at the end."""
    async with place:
        tokens = [(kind, token) for kind in ("access", "logout") for token in every(place, kind)]
        for kind, token in tokens:
            await place.send(kind, token)
        before = place.rss_bytes()
        for kind, token in itertools.islice(itertools.cycle(tokens), ROUNDS):
            answer = await place.send(kind, token)
            assert answer.status_code in (400, 401)
        grown = place.rss_bytes() - before
        await place.is_in()
    assert grown < MOST_GROWTH_BYTES


def every(court: Court, kind: str) -> list[str]:
    """All malformed tokens of a kind that an HTTP library will send."""
    families = Forge(court.provider, kind).families().values()
    return [token for family in families for _, token in family() if has_own_spelling(token) or kind == "logout"]


# keys and metadata


@pytest.fixture(scope="module")
def restless(hub_cluster: Cluster) -> Iterator[Court]:
    """A node that asks for keys several times a second, as if ten minutes had gone by."""
    with court_of(hub_cluster, "tests.faults.crippled", CRIPPLES="restless") as court:
        yield court


def evil(kid: str = "evil") -> Key:
    """A key that nobody should ever believe."""
    return renamed(ec_key("evil"), kid)


def with_evil(*more: Any, **members: Any) -> Answer:
    """A key set with the evil key in it."""
    return Answer({"keys": [evil().jwk, *more], **members})


USELESS: dict[str, Answer] = {
    "down": Answer({}, 503),
    "not found": Answer({"keys": [evil().jwk]}, 404),
    "created": Answer({"keys": [evil().jwk]}, 201),
    "empty": Answer({"keys": []}),
    "no keys": Answer({"keyz": [evil().jwk]}),
    "keys by name": Answer({"keys": {"evil": evil().jwk}}),
    "array": Answer([evil().jwk]),
    "null": Answer(None),
    "encryption only": Answer({"keys": [{**evil().jwk, "use": "enc"}, {**rsa_key().jwk, "use": "enc"}]}),
    "signing only": Answer({"keys": [{**evil().jwk, "key_ops": ["sign"]}]}),
    "512-bit RSA": Answer({"keys": [SMALL_RSA]}),
    "secrets": Answer({"keys": [{"kty": "oct", "kid": "evil", "k": "c2VjcmV0", "alg": "HS256"}]}),
    "a point off its curve": Answer({"keys": [{**evil().jwk, "x": evil().jwk["y"]}]}),
    "another curve's name": Answer({"keys": [{**evil().jwk, "crv": "P-384"}]}),
    "odd members": Answer(
        {"keys": [1, None, [], "x", {}, {"kty": []}, {"kty": "EC", "x": 1}, {"kty": "RSA", "n": {}}]}
    ),
    "HTML": Answer(b"<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"}),
    "garbage": Answer(bytes(range(256)) * 40),
    "redirect": Answer(b"", 302, {"Location": "/elsewhere"}),
    "permanent redirect": Answer(b"", 308, {"Location": "/elsewhere"}),
    "2 MiB": with_evil(x=" " * 2 * 1024 * 1024),
    "10,000 keys": with_evil(*({**ec_key().jwk, "kid": f"k{number}"} for number in range(10_000))),
    "compressed": Answer({"keys": [evil().jwk]}, headers={"Content-Encoding": "gzip"}),
    "deep": Answer(b'{"keys":' + b"[" * 100_000),
    "cut short": Answer(b'{"keys": [', headers={"Content-Length": "100000"}),
    "two keys of one name": Answer({"keys": [evil(EC_KID).jwk, ec_key("adversary").jwk | {"kid": EC_KID}]}),
}


@pytest.mark.parametrize("answer", USELESS.values(), ids=USELESS)
async def test_24_a_useless_key_set_never_replaces_a_good_one(restless: Court, answer: Answer) -> None:
    """Whatever comes instead of keys: the known ones still count, the offered ones never, and it is written down."""
    provider, log = restless.provider, SecurityLog(restless.cluster, restless.node)
    provider.answers["/elsewhere"] = Answer({"keys": [evil().jwk]})
    async with restless:
        await restless.is_in()
        provider.answers[KEYS] = answer
        try:
            await asked_again(restless)
            await log.until("provider_answer_useless")
            await restless.is_in()
            assert (await restless.log_in(provider.token(key=evil()))).status_code == 401
            assert (await restless.log_in(provider.token(key=evil(EC_KID)))).status_code == 401
        finally:
            provider.publish_honestly()
    assert provider.requests["/elsewhere"] == 0


async def asked_again(court: Court, path: str = KEYS) -> None:
    """Good log-ins go on until the node has asked for the keys, and judged the answer."""
    before = court.provider.requests[path]

    async def is_asked() -> bool:
        await court.is_in()
        return court.provider.requests[path] > before

    await eventually(is_asked)


async def test_24_a_provider_that_does_not_answer_costs_nobody_their_log_in(restless: Court) -> None:
    """The key set hangs: log-ins with known keys go on."""
    held = threading.Event()
    async with restless:
        await restless.is_in()
        restless.provider.answers[KEYS] = Answer({"keys": [evil().jwk]}, held=held)
        try:
            await asked_again(restless)
            await restless.is_in()
            assert (await restless.log_in(restless.provider.token(key=evil()))).status_code == 401
        finally:
            held.set()
            restless.provider.publish_honestly()


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"jwks_uri": "http://keys.example/"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"token_endpoint": "http://tokens.example/"},
    ],
    ids=repr,
)
async def test_24_useless_metadata_never_replaces_good(restless: Court, metadata: dict[str, Any]) -> None:
    """Known keys count, and log-ins in a browser go on at the endpoints that were good."""
    log = SecurityLog(restless.cluster, restless.node)
    async with restless:
        await restless.is_in()
        restless.provider.publish_honestly(**metadata)
        try:
            await asked_again(restless, METADATA)
            await log.until("provider_answer_useless")
            await restless.is_in()
            assert not wrong("id", await tried(restless, "id", []))
        finally:
            restless.provider.publish_honestly()
