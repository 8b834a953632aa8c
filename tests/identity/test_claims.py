"""The rules for claims by themselves, without any key. (With keys: ``test_tokens``.)"""

from __future__ import annotations

import pytest

from hub.errors import Unauthenticated
from hub.identity import claims as rules
from hub.identity.compact import parse
from tests.identity.minting import claims, mint
from tests.identity.test_tokens import KINDS, SAID, TYPES
from tests.identity.worlds import NOW


@pytest.mark.parametrize("kind", KINDS)
def test_the_algorithm_is_refused_before_any_key_is_looked_for(kind: str) -> None:
    """Threats 14 and 15: nobody asks a provider for a key because of a token that says ``none``."""
    rules.check(parse(mint(SAID[kind], typ=TYPES[kind])), KINDS[kind], NOW)
    for algorithm in ("none", "HS256", "PS256", "EdDSA"):
        with pytest.raises(Unauthenticated):
            rules.check(parse(mint(SAID[kind], typ=TYPES[kind], alg=algorithm)), KINDS[kind], NOW)


@pytest.mark.parametrize("value", [None, True, False, 1.0, "1", [], {}, -1, 10**12])
def test_a_time_is_a_whole_number_of_seconds(value: object) -> None:
    with pytest.raises(Unauthenticated):
        rules.seconds({"exp": value}, "exp")


def test_a_text_can_be_written() -> None:
    assert rules.text({"sub": "Zoë|" + "x" * 251}, "sub")
    for value in ("", "x" * 256, "\ud800", 5, None):
        with pytest.raises(Unauthenticated):
            rules.text({"sub": value}, "sub")


def test_refusals_do_not_repeat_the_token() -> None:
    """Threat 55: what a stranger sent is not echoed."""
    with pytest.raises(Unauthenticated) as caught:
        rules.check(parse(mint(claims(iss="https://canary.example"))), KINDS["access"], NOW)
    assert "canary" not in caught.value.detail
