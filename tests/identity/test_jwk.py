"""Which published keys are usable, and which one a token means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.identity.jwk import is_ambiguous, pick, usable_keys
from tests.identity.minting import ec_key, integer, rsa_key

EC, RSA = ec_key().jwk, rsa_key().jwk


def test_keys_are_read() -> None:
    found = usable_keys({"keys": [EC, RSA]})
    assert [(key.kid, key.kty, sorted(key.algorithms)) for key in found] == [
        ("e1", "EC", ["ES256"]),
        ("r1", "RSA", ["RS256"]),
    ]
    without_alg = {name: value for name, value in RSA.items() if name != "alg"}
    assert sorted(usable_keys({"keys": [without_alg]})[0].algorithms) == ["RS256", "RS384", "RS512"]


@pytest.mark.parametrize(
    "key",
    [
        {**RSA, "use": "enc"},
        {**RSA, "use": None},
        {**RSA, "alg": "RSA-OAEP"},
        {**RSA, "alg": "PS256"},
        {**RSA, "alg": "HS256"},
        {**RSA, "alg": 5},
        {**RSA, "kid": 5},
        {**RSA, "key_ops": ["encrypt"]},
        {**RSA, "key_ops": "verify"},
        rsa_key("small", 1024).jwk,
        {**RSA, "n": integer(2**511 + 1)},
        {**RSA, "n": integer(2**9000 + 1)},
        {**RSA, "n": "!"},
        {**RSA, "n": 5},
        {**RSA, "n": ""},
        {**RSA, "e": integer(1)},
        {**RSA, "e": integer(2)},
        {**RSA, "e": integer(2**65 + 1)},
        {**EC, "alg": "ES384"},
        {**EC, "crv": "P-384"},
        {**EC, "crv": "secp256k1"},
        {**EC, "crv": []},
        {**EC, "x": EC["y"]},
        {**EC, "y": None},
        {**EC, "kty": "OKP"},
        {**EC, "kty": ["EC"]},
        {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {},
        None,
        "key",
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_an_unusable_key_is_passed_over(key: Any) -> None:
    """Threats 15, 24: small, foreign, malformed and encryption keys do not count; the good one beside them does."""
    assert [found.kid for found in usable_keys({"keys": [key, EC]})] == ["e1"]


@pytest.mark.parametrize("key_set", [None, [], "x", {}, {"keys": None}, {"keys": {}}, {"keys": []}])
def test_what_is_no_key_set_holds_no_keys(key_set: Any) -> None:
    assert usable_keys(key_set) == ()


def test_one_key_is_picked_by_kid_and_algorithm() -> None:
    keys = usable_keys({"keys": [EC, RSA, {**RSA, "kid": "r2"}]})
    assert (found := pick(keys, "r2", "RS256")) is not None
    assert found.kid == "r2"
    assert pick(keys, "r2", "ES256") is None
    assert pick(keys, "e1", "RS256") is None
    assert pick(keys, "r3", "RS256") is None


def test_without_a_kid_the_key_has_to_be_the_only_one() -> None:
    keys = usable_keys({"keys": [EC, RSA, {**RSA, "kid": "r2"}]})
    assert pick(keys, None, "ES256") is not None
    assert pick(keys, None, "RS256") is None


def test_two_keys_of_one_name_are_no_key() -> None:
    """A provider that publishes a kid twice has not said which; keys of different kinds may share one."""
    assert pick(usable_keys({"keys": [EC, EC]}), "e1", "ES256") is None
    assert is_ambiguous(usable_keys({"keys": [RSA, EC, EC]}))
    assert not is_ambiguous(
        usable_keys({"keys": [EC, {**RSA, "kid": "e1"}, {**RSA, "kid": None}, {**RSA, "kid": None}]})
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
members = st.sampled_from(["kty", "kid", "use", "alg", "key_ops", "n", "e", "crv", "x", "y"])


@given(st.dictionaries(members, json_values), st.sampled_from([EC, RSA]))
def test_no_key_makes_it_raise(changes: dict[str, Any], key: dict[str, Any]) -> None:
    usable_keys({"keys": [{**key, **changes}]})
