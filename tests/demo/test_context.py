"""An app believes the signed context token and nothing else."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from jose import jwt
from shared.context import BadContext, ContextReader, Keys

from tests.demo.fake_hub import PRIVATE_PEM, PUBLIC_JWK, context_token

ISSUER = "http://localhost:8000"


def keys(*listed: dict[str, Any]) -> Callable[[], Awaitable[Keys]]:
    async def fetch() -> Keys:
        return list(listed)

    return fetch


def reader() -> ContextReader:
    return ContextReader(issuer=ISSUER, app="a", fetch_keys=keys(PUBLIC_JWK))


def resigned(*, header: dict[str, Any] | None = None, key: str = PRIVATE_PEM, algorithm: str = "ES256") -> str:
    """The same claims under another header, key or algorithm."""
    claims = jwt.get_unverified_claims(context_token(ISSUER, "a"))
    token: str = jwt.encode(
        claims, key, algorithm=algorithm, headers={"kid": "k1", "typ": "hub-session+jwt"} | (header or {})
    )
    return token


def unsigned() -> str:
    """The claims with ``alg: none`` and no signature at all."""
    header = "eyJhbGciOiJub25lIiwia2lkIjoiazEiLCJ0eXAiOiJodWItc2Vzc2lvbitqd3QifQ"
    return f"{header}.{context_token(ISSUER, 'a').split('.')[1]}."


async def test_a_good_token_tells_who_is_calling() -> None:
    """Every claim an app uses arrives."""
    token = context_token(ISSUER, "a", document={"profile": {"name": "Ada"}}, pos="4.00c0ffee")
    caller = await reader().read(token)
    assert (caller.user, caller.sid, caller.position, caller.token) == ("ada", "demo-session", "4.00c0ffee", token)
    assert caller.grants["profile"] == "write"
    assert caller.document == {"profile": {"name": "Ada"}}


async def test_a_token_without_a_document_is_fine() -> None:
    """A large document does not fit into a header; the app reads it from the hub."""
    assert (await reader().read(context_token(ISSUER, "a"))).document is None


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("a.b", id="two parts"),
        pytest.param("a.b.c", id="no header"),
        pytest.param("e30.e30.e30", id="empty objects"),
        pytest.param("W10.W10.W10", id="lists"),
        pytest.param("a" * 20_000, id="too long"),
        pytest.param(unsigned(), id="alg none"),
        pytest.param(unsigned() + "AAAA", id="alg none with a signature"),
        pytest.param(resigned(key="secret", algorithm="HS256"), id="HS256"),
        pytest.param(resigned(header={"typ": "JWT"}), id="typ of another kind"),
        pytest.param(resigned(header={"typ": "logout+jwt"}), id="typ logout"),
        pytest.param(resigned(header={"kid": "k2"}), id="unknown key"),
        pytest.param(resigned(header={"kid": 1}), id="kid is no text"),
        pytest.param(resigned(header={"crit": ["x"]}), id="crit"),
        pytest.param(context_token(ISSUER, "b"), id="for another app"),
        pytest.param(context_token(ISSUER, "a", aud=["a", "b"]), id="for several apps"),
        pytest.param(context_token(ISSUER, "a", aud=None), id="no aud"),
        pytest.param(context_token("http://localhost:8001", "a"), id="other issuer"),
        pytest.param(context_token(ISSUER, "a", iss=None), id="no issuer"),
        pytest.param(context_token(ISSUER, "a", exp=int(time.time()) - 10), id="expired"),
        pytest.param(context_token(ISSUER, "a", exp=None), id="never expires"),
        pytest.param(context_token(ISSUER, "a", exp="soon"), id="exp is no number"),
        pytest.param(context_token(ISSUER, "a", sub=None), id="nobody"),
        pytest.param(context_token(ISSUER, "a", sid=None), id="no session"),
        pytest.param(context_token(ISSUER, "a", grants="write"), id="grants are no object"),
        pytest.param(context_token(ISSUER, "a", document=[1]), id="document is no object"),
    ],
)
async def test_anything_else_is_refused(token: str | None) -> None:
    """Wrong kind, key, algorithm, audience, issuer or time: refused, and never an unexpected error."""
    with pytest.raises(BadContext):
        await reader().read(token)


async def test_a_changed_token_is_refused() -> None:
    """One flipped character in the claims or the signature is enough."""
    header, claims, signature = context_token(ISSUER, "a").split(".")
    other = context_token(ISSUER, "a", sub="grace").split(".")[1]
    flipped = ("A" if signature[10] != "A" else "B").join([signature[:10], signature[11:]])
    for token in (f"{header}.{other}.{signature}", f"{header}.{claims}.{flipped}"):
        with pytest.raises(BadContext):
            await reader().read(token)


async def test_an_unknown_key_is_looked_up_once_in_a_while() -> None:
    """A new key is found without a restart; a flood of made-up ones asks the hub only every five seconds."""
    listed: list[Keys] = [[], [PUBLIC_JWK]]
    asked = 0
    now = 100.0

    async def fetch() -> Keys:
        nonlocal asked
        asked += 1
        return listed[min(asked, len(listed)) - 1]

    reads = ContextReader(issuer=ISSUER, app="a", fetch_keys=fetch, clock=lambda: now)
    for _ in range(3):
        with pytest.raises(BadContext):
            await reads.read(context_token(ISSUER, "a"))
    assert asked == 1
    now += 6
    assert (await reads.read(context_token(ISSUER, "a"))).user == "ada"
    assert asked == 2


async def test_requests_that_come_together_share_one_look_up() -> None:
    """The first requests of a fresh app arrive at once: all wait for the keys, none is refused."""
    asked = 0

    async def fetch() -> Keys:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return [PUBLIC_JWK]

    reads = ContextReader(issuer=ISSUER, app="a", fetch_keys=fetch)
    callers = await asyncio.gather(*(reads.read(context_token(ISSUER, "a")) for _ in range(5)))
    assert [caller.user for caller in callers] == ["ada"] * 5
    assert asked == 1


async def test_only_keys_of_the_right_kind_are_kept() -> None:
    """A key of another curve or type under a known name is no key of the hub's tokens."""
    odd = [{**PUBLIC_JWK, "crv": "P-384"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}, {"kid": 3}]
    with pytest.raises(BadContext):
        await ContextReader(issuer=ISSUER, app="a", fetch_keys=keys(*odd)).read(context_token(ISSUER, "a"))
