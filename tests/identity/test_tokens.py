"""The fence around python-jose: only right tokens pass, and whatever goes wrong inside is a 401."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.json import Object
from hub.core.position import Position
from hub.errors import ConfigurationError, Unauthenticated
from hub.identity import bearer, oidc
from hub.identity.claims import LOGOUT_EVENT, Kind
from hub.identity.compact import parse
from hub.identity.jwk import ALGORITHMS
from hub.identity.providers import Provider
from hub.identity.tokens import CONTEXT_SECONDS, ContextSigner, assert_backend, verify
from tests.identity.minting import Key, base64url, claims, compact, ec_key, mint, mint_hs256, rsa_key
from tests.identity.worlds import ISSUER, NOW, PUBLIC_URL, SID, Clock, signing_key

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


# context tokens


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
    for said, typ in ((SAID["access"], "at+jwt"), (SAID["id"], "JWT")):
        with pytest.raises(Unauthenticated):
            contexts.verify(mint(said, typ=typ), ["hub", "a"])


def test_a_ring_has_one_active_key() -> None:
    for keys in ([], [signing_key("c1", "next")], [signing_key("c1"), signing_key("c2")]):
        with pytest.raises(ConfigurationError):
            ContextSigner(keys, PUBLIC_URL, Clock())
    with pytest.raises(ConfigurationError):
        ContextSigner([replace(signing_key("c1"), private_pem=b"no key")], PUBLIC_URL, Clock())
