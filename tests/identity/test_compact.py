"""What is refused before any library parses it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Unauthenticated
from hub.identity.compact import MAX_BYTES, parse
from tests.identity.minting import base64url, claims, compact, mint

GOOD = mint(claims())
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")


def test_a_good_token_is_taken_apart() -> None:
    token = parse(mint(claims(), typ="application/at+JWT"))
    assert (token.algorithm, token.kid, token.typ) == ("ES256", "e1", "at+jwt")
    assert token.claims == claims()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a..c",
        ".a.b",
        f"{GOOD}.{PAYLOAD}.{SIGNATURE}",  # the five parts of an encrypted token
        f"{GOOD}=",
        f"{GOOD}\n",
        f" {GOOD}",
        f"{HEADER}.{PAYLOAD}!.{SIGNATURE}",
        f"{HEADER}.{PAYLOAD}.{SIGNATURE[:10]}\n{SIGNATURE[10:]}",
        f"{HEADER}.{PAYLOAD}.{SIGNATURE}é",
        f"{HEADER}.{PAYLOAD}.A",
        "A" * (MAX_BYTES + 1),
        compact(b"[]", claims(), b"x"),
        compact(b'"text"', claims(), b"x"),
        compact({"alg": 5}, claims(), b"x"),
        compact({"alg": None}, claims(), b"x"),
        compact({}, claims(), b"x"),
        compact({"alg": "ES256", "kid": 7}, claims(), b"x"),
        compact({"alg": "ES256", "typ": []}, claims(), b"x"),
        compact({"alg": "ES256", "crit": ["exp"]}, claims(), b"x"),
        compact({"alg": "ES256", "crit": None}, claims(), b"x"),
        compact(b'{"alg":"ES256","alg":"none"}', claims(), b"x"),
        compact({"alg": "ES256"}, b'{"sub":"ada","sub":"grace"}', b"x"),
        compact({"alg": "ES256"}, b'{"exp":Infinity}', b"x"),
        compact({"alg": "ES256"}, b'{"exp":NaN}', b"x"),
        compact({"alg": "ES256"}, b"\xff\xfe", b"x"),
        compact({"alg": "ES256"}, b"[" * 5000, b"x"),
        compact(b"[" * 5000, claims(), b"x"),
        compact({"alg": "ES256"}, b'{"exp":' + b"9" * 5000 + b"}", b"x"),
    ],
    ids=lambda token: token[:24],
)
def test_what_no_issuer_sends_is_refused(token: str) -> None:
    """Threats 19, 20, 21: shape, spelling, duplicates, ``crit``, depth and size are judged before parsing."""
    began = time.thread_time()
    with pytest.raises(Unauthenticated):
        parse(token)
    assert time.thread_time() - began < 0.05


def test_a_megabyte_is_refused_at_once() -> None:
    """Threat 19."""
    began = time.thread_time()
    with pytest.raises(Unauthenticated):
        parse("A" * 1_000_000)
    assert time.thread_time() - began < 0.05


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_a_segment_has_one_spelling_only() -> None:
    """Threat 20: the unused bits of the last character are zero, so no token has a twin."""
    for place in range(3):
        segments = GOOD.split(".")
        last = segments[place][-1]
        spare = {0: 0, 2: 4, 3: 2}[len(segments[place]) % 4]
        for bits in range(1, 2**spare):
            segments[place] = segments[place][:-1] + ALPHABET[ALPHABET.index(last) | bits]
            with pytest.raises(Unauthenticated):
                parse(".".join(segments))


def test_the_digest_does_not_depend_on_the_signature() -> None:
    """An ECDSA signature can be respelt by anybody; what was signed cannot, and that is what is used once."""
    one, other = mint(claims()), mint(claims())
    assert one != other
    assert parse(one).digest == parse(other).digest
    assert parse(one).digest != parse(mint(claims(jti="x"))).digest


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: ".".join([base64url(raw) or "A"] * 3)))
def test_anything_else_is_refused_and_nothing_else_is_raised(token: str) -> None:
    try:
        parse(token)
    except Unauthenticated:
        return
