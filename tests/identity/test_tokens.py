"""The fence around python-jose: only right tokens pass, and whatever goes wrong inside is a 401."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.json import Object
from hub.errors import Unauthenticated
from hub.identity import bearer, oidc
from hub.identity.claims import LOGOUT_EVENT, Kind
from hub.identity.compact import parse
from hub.identity.jwk import ALGORITHMS
from hub.identity.providers import Provider
from hub.identity.tokens import assert_backend, verify
from tests.identity.minting import Key, base64url, claims, compact, ec_key, mint, mint_hs256, rsa_key
from tests.identity.worlds import ISSUER, NOW

PROVIDER = Provider("main", ISSUER, "hub")
NONCE = "n-0S6"

KINDS: dict[str, Kind] = {
    "id": oidc.id_token_kind(PROVIDER, NONCE),
    "access": bearer.kind_of(PROVIDER),
    "logout": Kind(
        issuer=ISSUER,
        audiences=frozenset({"hub"}),
        types=frozenset({"logout+jwt"}),
        algorithms=frozenset(ALGORITHMS),
        required=("exp", "iat", "iss", "jti"),
        max_age_seconds=120,
        is_logout=True,
    ),
}
SAID: dict[str, dict[str, Any]] = {
    "id": claims(nonce=NONCE),
    "access": claims(),
    "logout": claims(jti="j1", sub="ada", events={LOGOUT_EVENT: {}}),
}
TYPES = {"id": "JWT", "access": "at+jwt", "logout": "logout+jwt"}


def check(token: str, kind: str = "access", key: Key | None = None, now: float = NOW) -> Object:
    return verify(parse(token), (key or ec_key()).usable, KINDS[kind], now)


def test_the_backend_is_cryptography() -> None:
    assert_backend()


@pytest.mark.parametrize("key", [ec_key(), rsa_key()], ids=["ES256", "RS256"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_good_token_passes(kind: str, key: Key) -> None:
    token = mint(SAID[kind], key, typ=TYPES[kind])
    assert check(token, kind, key) == SAID[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("token", KINDS)
@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "logout+jwt", None])
def test_no_token_passes_as_one_of_another_kind(token: str, kind: str, typ: str | None) -> None:
    """Threat 25: of ID, access and logout token each is accepted in its own place only, whatever ``typ`` it claims."""
    if token == kind:
        return
    with pytest.raises(Unauthenticated):
        check(mint(SAID[token], typ=typ), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_context_token_passes_nowhere_else(kind: str) -> None:
    with pytest.raises(Unauthenticated):
        check(mint(SAID[kind], typ="hub-session+jwt"), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "", "HS256", "HS512", "PS256", "EdDSA", "ES256K", "dir"])
def test_other_algorithms_are_refused(kind: str, algorithm: str) -> None:
    """Threats 14, 15: the list is ours, whatever the header says."""
    with pytest.raises(Unauthenticated):
        check(mint(SAID[kind], typ=TYPES[kind], alg=algorithm), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_public_key_is_no_shared_secret(kind: str) -> None:
    """Threats 14, 15: HS256 keyed with the public key in any spelling opens nothing."""
    for key in (ec_key(), rsa_key()):
        spellings = [key.pem(), key.pem(Encoding.DER), json.dumps(key.jwk).encode(), key.jwk.get("n", "x").encode()]
        for secret in spellings:
            forged = mint_hs256(SAID[kind], secret, kid=key.jwk["kid"], typ=TYPES[kind])
            with pytest.raises(Unauthenticated):
                check(forged, kind, key)


def test_an_unsigned_token_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        check(compact({"alg": "ES256", "kid": "e1"}, claims(), b"\0" * 64))


def test_a_key_verifies_its_own_algorithm_only() -> None:
    """An RSA key is never used for a token that says ES256, nor the reverse."""
    with pytest.raises(Unauthenticated):
        check(mint(claims(), rsa_key(), alg="ES256"), key=rsa_key())
    rightly_signed = mint(claims(), rsa_key(), alg="RS512")
    with pytest.raises(Unauthenticated):
        check(rightly_signed, key=rsa_key())
    any_rsa = Key(rsa_key().private, {name: value for name, value in rsa_key().jwk.items() if name != "alg"})
    assert check(rightly_signed, key=any_rsa)


def test_another_key_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        check(mint(claims(), ec_key("other")))


def test_a_key_inside_the_token_is_not_looked_at() -> None:
    """Threat 21: ``jwk``, ``jku`` and ``x5u`` neither help nor hinder."""
    other = ec_key("other")
    with pytest.raises(Unauthenticated):
        check(mint(claims(), other, kid="e1", jwk=other.jwk, jku="http://127.0.0.1:9/", x5u="http://127.0.0.1:9/"))
    assert check(mint(claims(), jwk=other.jwk, jku="http://127.0.0.1:9/"))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in ("exp", "iat", "iss", "aud")])
def test_each_required_claim_is_required(kind: str, name: str) -> None:
    """Threat 16."""
    said = {key: value for key, value in SAID[kind].items() if key != name}
    with pytest.raises(Unauthenticated):
        check(mint(said, typ=TYPES[kind]), kind)


@pytest.mark.parametrize(
    ("kind", "name"), [("id", "sub"), ("access", "sub"), ("id", "nonce"), ("logout", "jti"), ("logout", "events")]
)
def test_each_kind_requires_what_makes_it(kind: str, name: str) -> None:
    said = {key: value for key, value in SAID[kind].items() if key != name}
    with pytest.raises(Unauthenticated):
        check(mint(said, typ=TYPES[kind]), kind)


@pytest.mark.parametrize("kind", ["id", "access"])
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": f"{ISSUER}/"},
        {"iss": ISSUER.upper()},
        {"iss": [ISSUER]},
        {"aud": "other"},
        {"aud": []},
        {"aud": {"hub": 1}},
        {"aud": ["hub", 5]},
        {"aud": ["hub", "other"]},
        {"aud": ["hub", "other"], "azp": "other"},
        {"aud": ["hub", "other"], "azp": ["hub"]},
        {"exp": NOW - 60},
        {"iat": NOW + 61},
        {"nbf": NOW + 61},
        {"auth_time": NOW + 61},
        {"auth_time": "now"},
        {"sub": ""},
        {"sub": 5},
        {"sub": "x" * 256},
        {"sub": "\ud800"},
        {"sid": 5},
        {"sid": ""},
        {"jti": 5},
        {"events": {}},
    ],
    ids=repr,
)
def test_a_wrong_claim_is_refused(kind: str, changes: dict[str, Any]) -> None:
    """Threat 17: issuer, audience and times are exact."""
    with pytest.raises(Unauthenticated):
        check(mint({**SAID[kind], **changes}, typ=TYPES[kind]), kind)


def test_an_id_token_for_another_client_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        check(mint({**SAID["id"], "azp": "other"}), "id")
    assert check(mint({**SAID["id"], "azp": "hub", "aud": ["hub", "other"]}), "id")


@pytest.mark.parametrize("nonce", ["", "other", None, 5, [NONCE]])
def test_the_nonce_is_exact(nonce: Any) -> None:
    with pytest.raises(Unauthenticated):
        check(mint({**SAID["id"], "nonce": nonce}), "id")


def test_an_access_token_may_have_no_nonce_of_any_kind() -> None:
    for nonce in ("", None, NONCE):
        with pytest.raises(Unauthenticated):
            check(mint({**SAID["access"], "nonce": nonce}))


def test_the_edges_of_time() -> None:
    """A minute of leeway both ways, by the clock that is given and not by this machine's."""
    assert check(mint(claims(exp=NOW - 59)))
    assert check(mint(claims(iat=NOW + 60)))
    assert check(mint(claims(exp=NOW + 10_000)), now=NOW + 300)
    with pytest.raises(Unauthenticated):
        check(mint(claims(exp=NOW + 10_000)), now=NOW + 301)


def test_the_access_token_hash_has_to_fit() -> None:
    """``at_hash`` is checked where the access token is at hand."""
    half = base64url(hashlib.sha256(b"access").digest()[:16])
    token, key, kind = parse(mint({**SAID["id"], "at_hash": half})), ec_key().usable, KINDS["id"]
    assert verify(token, key, kind, NOW, access_token="access")
    with pytest.raises(Unauthenticated):
        verify(token, key, kind, NOW, access_token="other")


odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([NOW, NOW + 100, 2**53, 10**400, -1, "123", "hub", ISSUER, NONCE, "ada"])
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just(LOGOUT_EVENT), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = ["exp", "iat", "nbf", "iss", "sub", "aud", "azp", "nonce", "auth_time", "sid", "jti", "events", "at_hash"]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.sampled_from(NAMES), odd, min_size=1))
def test_odd_claims_are_a_401_and_never_another_error(kind: str, changes: dict[str, Any]) -> None:
    """Threat 18: whatever types the claims have, the answer is yes or 401."""
    try:
        said = check(mint({**SAID[kind], **changes}, typ=TYPES[kind]), kind)
    except Unauthenticated:
        return
    assert said["iss"] == ISSUER
    assert isinstance(said["exp"], int)
    assert not isinstance(said["exp"], bool)


@pytest.mark.parametrize("value", ["null", "[]", "{}", "Infinity", "1e999", '"123"', "-1", "true", "1.5", "9" * 400])
@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
def test_odd_times_are_a_401(name: str, value: str) -> None:
    """Threat 18, in the spellings of the wire."""
    raw = json.dumps(claims(**{name: "@"})).replace('"@"', value).encode()
    with pytest.raises(Unauthenticated):
        check(mint(raw))


@pytest.mark.parametrize("error", [TypeError, OverflowError, RecursionError, KeyError, ValueError, AttributeError])
def test_whatever_the_library_raises_is_a_401(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Threats 18, 19: python-jose lets more escape than its own errors."""

    def raises(*_: Any, **__: Any) -> Any:
        raise error("from inside")

    monkeypatch.setattr("hub.identity.tokens.jwt.decode", raises)
    with pytest.raises(Unauthenticated):
        check(mint(claims()))


def test_a_changed_byte_is_refused() -> None:
    """Threat 20: no token has a twin that verifies too."""
    token = mint(claims())
    for place in range(0, len(token), 7):
        for other in "A-z.=!\n":
            if other != token[place]:
                with pytest.raises(Unauthenticated):
                    check(token[:place] + other + token[place + 1 :])
