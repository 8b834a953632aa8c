"""Context tokens: signed for one app, for a minute, and worth nothing anywhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hub.core.position import Position
from hub.errors import ConfigurationError, Unauthenticated
from hub.identity.claims import Kind
from hub.identity.compact import parse
from hub.identity.tokens import CONTEXT_SECONDS, ContextSigner, verify
from tests.identity.minting import Key, claims, ec_key, mint
from tests.identity.worlds import NOW, PUBLIC_URL, SID, Clock, signing_key


def signer(clock: Clock | None = None) -> ContextSigner:
    return ContextSigner([signing_key("c1"), signing_key("c2", "next")], PUBLIC_URL, clock or Clock())


def sign(contexts: ContextSigner, app: str = "a", revision: int = 3, **more: Any) -> str:
    position = Position(revision, "9f3a1c02")
    return contexts.sign(sid=SID, user="ada", position=position, app=app, grants={"cart": "read"}, **more)


def test_a_context_token_says_who_and_what() -> None:
    contexts = signer()
    token = parse(sign(contexts, document={"cart": {"n": 1}}))
    assert (token.typ, token.kid, token.algorithm) == ("hub-session+jwt", "c1", "ES256")
    said = token.claims
    assert said.pop("jti")
    assert said == {
        "iss": PUBLIC_URL,
        "aud": "a",
        "sub": "ada",
        "sid": SID,
        "pos": "3.9f3a1c02",
        "grants": {"cart": "read"},
        "iat": NOW,
        "exp": NOW + CONTEXT_SECONDS,
        "document": {"cart": {"n": 1}},
    }


def test_the_document_goes_along_up_to_4_kib() -> None:
    contexts = signer()
    fits, does_not = {"cart": "x" * (4096 - 11)}, {"cart": "x" * (4096 - 10)}
    assert parse(sign(contexts, document=fits)).claims["document"] == fits
    assert "document" not in parse(sign(contexts, revision=4, document=does_not)).claims


def test_a_context_token_comes_back_as_who_it_is_for() -> None:
    contexts = signer()
    context = contexts.verify(sign(contexts), ["a", "b"])
    assert (context.app, context.sid, context.user) == ("a", SID, "ada")


def test_a_context_token_is_worth_nothing_at_another_app_or_later() -> None:
    """Threat 13: bound to its app; refused when its minute is over, also out of the memory of verified ones."""
    clock = Clock()
    contexts = signer(clock)
    token = sign(contexts)
    with pytest.raises(Unauthenticated):
        contexts.verify(token, ["b"])
    assert contexts.verify(token, ["a"]).app == "a"
    with pytest.raises(Unauthenticated):
        contexts.verify(token, ["b"])
    clock.seconds += CONTEXT_SECONDS
    with pytest.raises(Unauthenticated):
        contexts.verify(token, ["a"])


def test_verified_tokens_are_remembered_until_the_keys_change() -> None:
    """Flushed with the keys: what an abandoned key signed is refused at once."""
    contexts = signer()
    token = sign(contexts)
    assert contexts.verify(token, ["a"]).app == "a"
    contexts.replace_keys([signing_key("c3")])
    with pytest.raises(Unauthenticated):
        contexts.verify(token, ["a"])
    assert parse(sign(contexts)).kid == "c3"


def test_a_token_is_signed_once_for_half_its_life() -> None:
    clock = Clock()
    contexts = signer(clock)
    first = sign(contexts)
    clock.seconds += CONTEXT_SECONDS / 2 - 1
    assert sign(contexts) == first
    assert sign(contexts, app="b") != first
    assert sign(contexts, revision=4) != first
    clock.seconds += 1
    assert sign(contexts) != first


def test_the_next_key_is_listed_and_the_listed_key_verifies() -> None:
    contexts = signer()
    keys = contexts.jwks()["keys"]
    assert [key["kid"] for key in keys] == ["c1", "c2"]
    assert all("d" not in key for key in keys)
    token = parse(sign(contexts))
    kind = Kind(PUBLIC_URL, frozenset({"a"}), frozenset({"hub-session+jwt"}), frozenset({"ES256"}))
    (key,) = [key for key in keys if key["kid"] == token.kid]
    assert verify(token, Key(ec_key().private, key).usable, kind, NOW)


@pytest.mark.parametrize(
    "changes", [{"aud": ["a"]}, {"sid": "x"}, {"sid": None}, {"jti": None}, {"iss": "https://x.example"}]
)
def test_a_context_token_is_well_formed(changes: dict[str, Any]) -> None:
    """Even rightly signed, a token that the hub would not make is refused."""
    key = ec_key("c1")
    contexts = signer()
    contexts._keys = (key.usable,)
    said = {**parse(sign(contexts)).claims, **changes}
    said = {name: value for name, value in said.items() if value is not None}
    with pytest.raises(Unauthenticated):
        contexts.verify(mint(said, key, typ="hub-session+jwt"), ["a"])


def test_an_idp_token_is_no_context_token() -> None:
    contexts = signer()
    for said, typ in ((claims(), "at+jwt"), (claims(nonce="n-0S6"), "JWT")):
        with pytest.raises(Unauthenticated):
            contexts.verify(mint(said, typ=typ), ["hub", "a"])


def test_a_ring_has_one_active_key() -> None:
    for keys in ([], [signing_key("c1", "next")], [signing_key("c1"), signing_key("c2")]):
        with pytest.raises(ConfigurationError):
            ContextSigner(keys, PUBLIC_URL, Clock())
    with pytest.raises(ConfigurationError):
        ContextSigner([replace(signing_key("c1"), private_pem=b"no key")], PUBLIC_URL, Clock())
