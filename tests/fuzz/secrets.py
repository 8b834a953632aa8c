"""Targets that are tokens, keys and sealed cookies: what somebody sends who wants to be somebody else."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from typing import Any

from hypothesis import strategies as st

from hub.core.json import Json
from hub.errors import Unauthenticated
from hub.identity import bearer, logout_tokens, oidc
from hub.identity.claims import LOGOUT_EVENT
from hub.identity.compact import Compact, parse
from hub.identity.cookies import Cookies
from hub.identity.credentials import Credentials
from hub.identity.fetching import FetchFailed, is_safe_url
from hub.identity.jwk import Jwk, pick, usable_keys
from hub.identity.log_ins import proven
from hub.identity.provider_tokens import ProviderTokens
from hub.identity.providers import Metadata, Provider
from hub.identity.tokens import verify
from hub.identity.transactions import Transactions
from tests.fuzz.inputs import json_like, members, mutated, wild
from tests.fuzz.targets import Target, refusals
from tests.identity.fakes import OnceInMemory
from tests.identity.minting import base64url, claims, ec_key, mint, rsa_key
from tests.identity.worlds import ISSUER, NOW, Clock

PROVIDER = Provider("main", ISSUER, "hub", claims={"name": "name", "groups": "groups"})
NONCE = "n-0S6"
KINDS = {
    "access": bearer.kind_of(PROVIDER),
    "id": oidc.id_token_kind(PROVIDER, NONCE),
    "logout": logout_tokens.kind_of(PROVIDER),
}
TYPES = {"access": "at+jwt", "id": "JWT", "logout": "logout+jwt"}
SAID: dict[str, dict[str, Any]] = {
    "access": claims(jti="j", name="Ada"),
    "id": claims(nonce=NONCE, sid="s"),
    "logout": claims(jti="j", events={LOGOUT_EVENT: {}}),
}
KEYS = usable_keys({"keys": [ec_key().jwk, rsa_key().jwk]})
GOOD = [mint(SAID[kind], typ=TYPES[kind]).encode() for kind in KINDS] + [mint(SAID["id"], rsa_key()).encode()]
SHORT = [b"eyJhbGciOiJFUzI1NiJ9.e30.AA", b"eyJhbGciOiIifQ.e30.AAA", b"e30.e30.AAAA"]


class _Directory:
    """The keys of one provider, at hand."""

    async def key_for(self, token: Compact) -> Jwk:
        key = pick(KEYS, token.kid, token.algorithm)
        if key is None:
            raise Unauthenticated
        return key


_tokens = ProviderTokens([(PROVIDER, _Directory())], Clock())  # type: ignore[list-item]


def _parses(text: str) -> None:
    """What is taken apart is the only spelling of it, and holds plain JSON."""
    with refusals():
        found = parse(text)
        segments = text.split(".")
        decoded = [base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)) for segment in segments]
        assert [base64url(each) for each in decoded] == segments
        assert _is_plain(found.claims)
        assert json.loads(decoded[1]) == found.claims


def _is_plain(value: Json) -> bool:
    if isinstance(value, float):
        return not math.isnan(value)
    if isinstance(value, dict | list):
        return all(map(_is_plain, value.values() if isinstance(value, dict) else value))
    return True


def _verifies(given: tuple[str, dict[str, Any], dict[str, Any], bool]) -> None:
    """Properly signed, with any header and any claims: refused, or right in all that counts."""
    kind, header, changes, is_rsa = given
    said = {name: value for name, value in (SAID[kind] | changes).items() if value is not ...}
    token = mint(json.dumps(said).encode(), rsa_key() if is_rsa else None, **({"typ": TYPES[kind]} | header))
    for name, rules in KINDS.items():
        with refusals():
            found = verify(parse(token), pick(KEYS, parse(token).kid, parse(token).algorithm) or KEYS[0], rules, NOW)
            _is_right(name, found)


def _is_right(kind: str, found: dict[str, Any]) -> None:
    assert found["iss"] == ISSUER
    assert found["aud"] == "hub" or ("hub" in found["aud"] and (len(found["aud"]) == 1 or found["azp"] == "hub"))
    assert type(found["exp"]) is int
    assert type(found["iat"]) is int
    assert found["exp"] > NOW - 60
    assert found["iat"] <= NOW + 60
    assert found.get("nonce") == (NONCE if kind == "id" else None)
    assert ("events" in found) == (kind == "logout")
    if kind == "logout":
        assert isinstance(found["jti"], str)
    else:
        assert 0 < len(found["sub"]) <= 255
        proof = proven(PROVIDER, found, began_ms=0, agent="", digest="")
        json.dumps(proof.identity).encode()


def _is_asked(text: str) -> None:
    """The whole way of a token, as bearer and log-out take it."""
    for kind_of in (bearer.kind_of, logout_tokens.kind_of):
        with refusals():
            asyncio.run(_tokens.verify(parse(text), kind_of))


def _publishes(raw: bytes) -> None:
    """Any JSON as a key set: no error, and no key that a token could not be checked with."""
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        return
    for key in usable_keys(said):
        for algorithm in key.algorithms:
            token = Compact(GOOD[0].decode(), algorithm, key.kid, "at+jwt", SAID["access"])
            with refusals():
                verify(token, key, KINDS["access"], NOW)


def _is_metadata(said: Json) -> None:
    """A discovery document: safe addresses, or refused."""
    try:
        found = Metadata.read(said, ISSUER)
    except FetchFailed:
        return
    assert all(
        url is None or is_safe_url(url)
        for url in (found.jwks_uri, found.authorization_endpoint, found.token_endpoint, found.end_session_endpoint)
    )


_transactions = Transactions({"k1": b"1" * 32}, "k1", Cookies(secure=True), OnceInMemory(), Clock())
_begun, _set = _transactions.begin("main", "/", "https://hub.example.com", [])
_cookie = _set[-1].partition(";")[0]


def _comes_back(given: tuple[bytes, bytes]) -> None:
    """State and cookie of a log-in: only the two that belong together are a log-in, unchanged."""
    state, cookie = (raw.decode("latin-1") for raw in given)
    with refusals():
        found = _transactions.find(state, [cookie])
        assert found == _begun
    _transactions.begin("main", "/", "https://hub.example.com", [cookie])


_names = st.sampled_from(
    [b"authorization", b"cookie", b"origin", b"host", b"sec-fetch-site", b"x-hub-csrf", b"content-length"]
)


def _shows(headers: list[tuple[bytes, bytes]]) -> None:
    """Credentials from any headers, and what is asked of them."""
    shown = Credentials.of("GET", headers, purpose="api", address="192.0.2.1")
    with refusals():
        assert shown.bearer is None or (shown.bearer.isascii() and " " not in shown.bearer)
    with refusals():
        Cookies(secure=True).session_token(shown.cookies)
    Cookies(secure=True).transactions(shown.cookies)


_claims = members(
    {
        "exp": st.integers(NOW - 100, NOW + 100),
        "iat": st.integers(NOW - 400, NOW + 100),
        "nbf": st.integers(NOW - 100, NOW + 100),
        "aud": st.sampled_from(["hub", ["hub"], ["hub", "x"], "x"]),
        "azp": st.sampled_from(["hub", "x"]),
        "iss": st.sampled_from([ISSUER, f"{ISSUER}/"]),
        "sub": st.text(max_size=300),
        "sid": st.text(max_size=5),
        "jti": st.text(max_size=5),
        "nonce": st.sampled_from([NONCE, "", "x"]),
        "events": st.sampled_from([{LOGOUT_EVENT: {}}, {LOGOUT_EVENT: 1}, {}]),
        "auth_time": st.integers(NOW - 100, NOW + 100),
        "at_hash": st.text(max_size=5),
        "name": wild,
        "groups": wild,
    }
)
_headers = members(
    {
        "alg": st.sampled_from(["ES256", "RS256", "none", "HS256"]),
        "kid": st.sampled_from(["e1", "r1", "x"]),
        "typ": st.sampled_from([*TYPES.values(), "application/at+jwt"]),
        "crit": st.lists(st.text(max_size=3)),
        "b64": st.booleans(),
        "jku": st.text(max_size=5),
    }
).map(lambda header: {name: value for name, value in header.items() if name not in ("payload", "headers")})
_segments = json_like({"alg": "ES256", "kid": "e1"}, SAID["access"]).map(base64url)
_compact = st.one_of(
    mutated(GOOD).map(lambda raw: raw.decode("latin-1")),
    mutated(SHORT).map(lambda raw: raw.decode("latin-1")),
    st.lists(_segments, min_size=1, max_size=5).map(".".join),
    st.text(max_size=40),
)
_jwks = json_like({"keys": [ec_key().jwk, rsa_key().jwk]}) | st.lists(
    members({name: st.just(value) for name, value in {**rsa_key().jwk, **ec_key().jwk, "key_ops": ["verify"]}.items()}),
    max_size=3,
).map(lambda keys: json.dumps({"keys": keys}).encode())
_url = st.sampled_from(
    ["https://x.example/a", "http://127.0.0.1:1/", "http://x.example/", "https://u:p@x/", "https://[::1", "/x"]
)

TARGETS = [
    Target("compact token", _compact, _parses),
    Target("token of a provider", _compact, _is_asked),
    Target("signed token", st.tuples(st.sampled_from(sorted(KINDS)), _headers, _claims, st.booleans()), _verifies),
    Target("key set", _jwks, _publishes),
    Target(
        "metadata",
        wild
        | members(
            {
                "issuer": st.just(ISSUER),
                "jwks_uri": _url | st.text(max_size=20),
                "authorization_endpoint": _url,
                "token_endpoint": _url,
                "end_session_endpoint": _url | st.text(max_size=20),
            }
        ),
        _is_metadata,
    ),
    Target(
        "log-in cookie",
        st.tuples(mutated([_begun.state.encode()]), mutated([_cookie.encode(), b"__Host-hub_tx_12345678=k1.AAAA"])),
        _comes_back,
    ),
    Target(
        "credentials",
        st.lists(
            st.tuples(
                _names, mutated([b"Bearer hub_st_abc.def", b"__Host-hub=x; a=b", b"https://x.example", b"3", *GOOD[:1]])
            ),
            max_size=6,
        ),
        _shows,
    ),
]
