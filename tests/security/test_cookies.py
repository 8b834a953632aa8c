"""The hub's cookies and the token inside: who makes them, what they look like, and what is kept of them."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from redis import Redis

from hub.identity import session_tokens
from hub.identity.session_tokens import SessionTokens
from tests.security.places import Place, secure_place
from tests.support import raw
from tests.support.answers import good, problem
from tests.support.log_ins import begin, finish
from tests.support.nodes import Cluster, Node
from tests.support.security_log import SecurityLog
from tests.support.tabs import log_in

pytestmark = pytest.mark.edge

SID = "0123456789abcdef-AAAAAAAAAAAAAAAAAAAAAA"
PLANTED = ("attacker", f"hub_st_{SID}.{'A' * 43}", "", "x" * 3000, '"quoted"')
FLAGS = {"path=/", "httponly", "samesite=lax"}


@pytest.fixture(scope="module")
def over_https(hub_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A hub with a certificate."""
    with secure_place(hub_cluster, tmp_path_factory.mktemp("certificates")) as place:
        yield place


@pytest.fixture(params=["https", "loopback"])
def place(request: pytest.FixtureRequest, hub_cluster: Cluster, node: Node) -> Place:
    """Both ways in which a hub is met."""
    if request.param == "https":
        secure: Place = request.getfixturevalue("over_https")
        return secure
    return Place(hub_cluster, node, "hub")


async def status_of(place: Place, token: str) -> int:
    """What a request with this cookie gets."""
    async with place.browser() as stranger:
        answer = await stranger.get("/v1/sessions/me", headers={"Cookie": f"{place.name}={token}"})
        return answer.status_code


def everything_in(store: Any) -> bytes:
    """All keys and values of the store, one after the other."""
    read = {
        b"string": lambda key: [store.get(key)],
        b"hash": lambda key: [part for pair in store.hgetall(key).items() for part in pair],
        b"set": store.smembers,
        b"zset": lambda key: store.zrange(key, 0, -1),
        b"list": lambda key: store.lrange(key, 0, -1),
        b"stream": lambda key: [part for _, fields in store.xrange(key) for part in (*fields, *fields.values())],
    }
    kinds = ((key, store.type(key)) for key in store.scan_iter(count=1000))
    found = [(key, read[kind](key)) for key, kind in kinds if kind != b"none"]  # it may expire just then
    assert found
    return b"\0".join(part for key, values in found for part in (key, *values))


async def test_01_a_planted_cookie_is_never_adopted(place: Place) -> None:
    """A log-in gives another token than the one that was there; the old one opens nothing and is not in the store."""
    for planted in PLANTED:
        async with place.browser(**{place.name: planted}) as victim:
            token = await place.log_in(victim)
            assert token not in ("", planted)
            said = good(await victim.get("/v1/sessions/me"))
            assert said["sid"] != SID
        assert await status_of(place, planted) == 401
        assert await status_of(place, token) == 200
    store: Any = Redis.from_url(place.cluster.store_url)
    assert not list(store.scan_iter(f"*{SID}*"))
    store.close()


async def test_01_a_planted_session_is_not_shared(place: Place) -> None:
    """The attacker's own live session, planted while the victim logs in, is ended; the victim has another one."""
    attacker = await log_in_by_browser(place, "mallory")
    async with place.browser() as victim:
        asked = await begin(victim)
        victim.cookies.set(place.name, attacker, domain="127.0.0.1")
        assert good(await victim.get("/v1/sessions/me"))["user"] == "mallory"
        await finish(victim, place.cluster, asked, user="grace")
        assert victim.cookies[place.name] != attacker
        assert good(await victim.get("/v1/sessions/me"))["user"] == "grace"
    assert await status_of(place, attacker) == 401


async def log_in_by_browser(place: Place, user: str) -> str:
    """The token of a new session."""
    async with place.browser() as browser:
        return await place.log_in(browser, user)


def test_02_tokens_are_256_random_bits() -> None:
    """10,000 of them: all different, 43 characters of secret, every bit set about half of the time, none foreseen."""
    tokens = SessionTokens({"k": b"k" * 32}, "k")
    made = [tokens.new(SID)[0] for _ in range(10_000)]
    secrets = [token.removeprefix(f"hub_st_{SID}.") for token in made]
    assert len(set(secrets)) == len(made)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in secrets)
    numbers = [int.from_bytes(base64.urlsafe_b64decode(secret + "=")) for secret in secrets]
    for bit in range(256):
        assert 4_600 < sum(number >> bit & 1 for number in numbers) < 5_400, bit
    random.seed(1)
    once = tokens.new(SID)[0]
    random.seed(1)
    assert tokens.new(SID)[0] != once
    assert session_tokens.SECRET_BYTES == 32


async def test_03_a_dump_of_the_store_opens_nothing(place: Place) -> None:
    """Neither the token, nor its secret, nor a plain hash of either is anywhere in it, in either way to log in."""
    opened = await log_in(place.cluster, place.node) if not place.is_secure else None
    tokens = [await log_in_by_browser(place, "ada"), *([opened.token] if opened else [])]
    store: Any = Redis.from_url(place.cluster.store_url)
    dump = everything_in(store)
    store.close()
    for token in tokens:
        sid, _, secret = token.removeprefix("hub_st_").partition(".")
        assert sid.encode() in dump
        for part in (token.encode(), secret.encode(), base64.urlsafe_b64decode(secret + "=")):
            digest = hashlib.sha256(part)
            for shown in (part, digest.digest(), digest.hexdigest().encode(), base64.b64encode(digest.digest())[:43]):
                assert shown not in dump


async def test_04_every_cookie_has_all_its_flags(place: Place) -> None:
    """A whole life long: ``__Host-`` and ``Secure`` over https; ``HttpOnly``, ``SameSite``, ``Path``; no ``Domain``."""
    heard: list[httpx.Response] = []

    async def listen(answer: httpx.Response) -> None:
        heard.append(answer)

    async with place.browser() as browser:
        browser.event_hooks["response"].append(listen)
        await place.log_in(browser)
        for path in (
            "/v1/sessions/me",
            "/v1/sessions/me/document",
            "/auth/login",
            "/auth/signed-out",
            "/docs",
            "/none",
        ):
            await browser.get(path)
        await browser.patch("/v1/sessions/me/document", json={"profile": {"x": 1}}, headers=place.from_a_page())
        ordinary = len(heard)
        await browser.get("/auth/login?prompt=login", headers={"Sec-Fetch-Site": "same-origin"})
        await browser.get("/auth/callback?state=none&code=none")
        ended = await browser.post("/auth/logout", headers=place.from_a_page())
        assert ended.status_code == 204
    came = [(answer, value) for answer in heard for value in answer.headers.get_list("set-cookie")]
    assert len(came) >= 5
    for answer, value in came:
        pair, *flags = value.split("; ")
        prefix = "__Host-" if place.is_secure else ""
        assert re.fullmatch(rf"{prefix}hub(_tx_[0-9a-f]{{8}})?=[^;\s]*", pair), value
        said = {flag.lower() for flag in flags}
        kept = {flag for flag in said if not flag.startswith("max-age=")}
        assert kept == (FLAGS | {"secure"} if place.is_secure else FLAGS), value
        assert answer.headers.get("cache-control") == "no-store", value
    begun_and_finished = [answer for answer, _ in came if "/auth/" in str(answer.url)]
    assert len(begun_and_finished) == len(came)
    assert not [answer.url for answer in heard[2:ordinary] if "set-cookie" in answer.headers]


async def test_05_two_cookies_of_the_name_are_none(place: Place) -> None:
    """Whichever was planted by a sibling host: 401 wherever the cookie counts, and it is written down."""
    token = await log_in_by_browser(place, "ada")
    both = [f"{place.name}={token}; {place.name}={other}" for other in ("planted", token, "")]
    both += [f"{place.name}=planted; other=1; {place.name}={token}"]
    async with place.browser() as browser:
        for cookie in both:
            log = SecurityLog(place.cluster, place.node)
            for path in ("/v1/sessions/me", "/v1/sessions/me/document", "/apps/a/"):
                problem(await browser.get(path, headers={"Cookie": cookie}), 401, "unauthenticated")
            event = await log.until("authn_login_fail")
            assert (event["address"], "cookies" in event["why"]) == ("127.0.0.1", True)
        answer = await browser.post("/auth/logout", headers=place.from_a_page(Cookie=both[0]))
        assert answer.status_code == 401
    assert await status_of(place, token) == 200


async def test_05_in_two_headers_too(hub_cluster: Cluster, node: Node) -> None:
    """Two ``Cookie`` headers are one list (RFC 9113 §8.2.3 allows them)."""
    token = (await log_in(hub_cluster, node)).token
    one, two = f"Cookie: hub={token}", "Cookie: hub=planted"
    assert (await raw.send(node, raw.get(node, "/v1/sessions/me", one))).status == 200
    for lines in ((one, two), (two, one), (one, one)):
        assert (await raw.send(node, raw.get(node, "/v1/sessions/me", *lines))).status == 401
