"""Session tokens: random, bound to one sid, and never stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.identity.session_tokens import SessionTokens, sid_of
from tests.identity.worlds import SID

KEYS = {"k0": b"0" * 32, "k1": b"1" * 32}


def test_tokens_are_unique_and_long() -> None:
    """Threat 2: 256 random bits each."""
    tokens = SessionTokens(KEYS, "k1")
    made = {tokens.new(SID)[0] for _ in range(10_000)}
    assert len(made) == 10_000
    assert all(token.startswith(f"hub_st_{SID}.") and len(token.rpartition(".")[2]) == 43 for token in made)


def test_a_token_names_its_sid() -> None:
    token, _ = SessionTokens(KEYS, "k1").new(SID)
    assert sid_of(token) == SID


@pytest.mark.parametrize(
    "token",
    ["", "hub_st_", SID, f"hub_st_{SID}", f"hub_st_{SID}.", f"hub_st_{SID}.{'A' * 42}", f"hub_st_{SID}.{'A' * 44}",
     f"hub_st_{SID}.{'A' * 43}\n", f"hub_st_{SID}.{'!' * 43}", f"hub_st_x.{'A' * 43}", f"HUB_ST_{SID}.{'A' * 43}"],
)  # fmt: skip
def test_other_texts_name_nothing(token: str) -> None:
    assert sid_of(token) is None


def test_the_verifier_holds_nothing_of_the_token() -> None:
    """Threat 3: what is stored is a keyed hash with the name of its key."""
    token, verifier = SessionTokens(KEYS, "k1").new(SID)
    assert verifier.startswith(b"k1:")
    assert len(verifier) == 3 + 32
    assert token.rpartition(".")[2].encode() not in verifier


def test_a_verifier_fits_its_token_only() -> None:
    tokens = SessionTokens(KEYS, "k1")
    token, verifier = tokens.new(SID)
    assert tokens.is_proof(token, verifier)
    assert not tokens.is_proof(tokens.new(SID)[0], verifier)
    assert not tokens.is_proof(token.replace(SID, SID[:-1] + "B"), verifier)


def test_older_keys_still_open_and_dropped_ones_do_not() -> None:
    """Threat 47: rotation logs nobody out."""
    token, verifier = SessionTokens({"k0": KEYS["k0"]}, "k0").new(SID)
    assert SessionTokens(KEYS, "k1").is_proof(token, verifier)
    assert not SessionTokens({"k1": KEYS["k1"]}, "k1").is_proof(token, verifier)
    assert not SessionTokens({"k0": KEYS["k1"]}, "k0").is_proof(token, verifier)


@given(st.text(), st.binary())
def test_no_input_makes_it_raise(token: str, verifier: bytes) -> None:
    assert not SessionTokens(KEYS, "k1").is_proof(token, verifier)
    sid_of(token)
