"""Keys change while the hub runs: what was made before is good, and an unknown key is looked for, then refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hub.core.position import Position
from hub.errors import CsrfRefused, Unauthenticated
from hub.identity.cookies import Cookies
from hub.identity.csrf import FormProofs
from hub.identity.session_tokens import SessionTokens
from hub.identity.tokens import ContextSigner
from hub.identity.transactions import LogInFailed, Transactions
from tests.identity.fakes import OnceInMemory
from tests.identity.test_transactions import Browser
from tests.identity.worlds import PUBLIC_URL, SID, Clock, signing_key

OLD, BOTH = {"k0": b"0" * 32}, {"k0": b"0" * 32, "k1": b"1" * 32}
C0, C1 = signing_key("c0"), signing_key("c1", "next")
C0_OLD, C1_ACTIVE = replace(C0, state="old"), replace(C1, state="active")


class Ring:
    """Has other keys from some time on; says so once, and gives them to whoever holds keys."""

    def __init__(self) -> None:
        self.give: Callable[[], Any] | None = None
        self.looks = 0

    def look(self) -> bool:
        self.looks += 1
        give, self.give = self.give, None
        if give is not None:
            give()
        return give is not None


def ahead() -> ContextSigner:
    """A node that has the new key already."""
    return ContextSigner([C1_ACTIVE], PUBLIC_URL, Clock())


def sign(contexts: ContextSigner) -> str:
    return contexts.sign(sid=SID, user="ada", position=Position(3, "9f3a1c02"), app="a", grants={})


def test_a_session_token_of_a_key_that_is_new_is_known_at_once() -> None:
    """Made at a node that has read the ring, shown at one that has not yet; at an app's own door too."""
    ring = Ring()
    behind, other = SessionTokens(OLD, "k0", ring.look), SessionTokens(BOTH, "k1")
    token, verifier = other.new(SID)
    assert not behind.is_proof(token, verifier)
    assert behind.at_app(SID, verifier, "https://a.test") is None
    ring.give = lambda: behind.replace_keys(BOTH, "k1")
    assert behind.is_proof(token, verifier)
    behind.replace_keys(OLD, "k0")
    ring.give = lambda: behind.replace_keys(BOTH, "k1")
    assert behind.at_app(SID, verifier, "https://a.test") == other.at_app(SID, verifier, "https://a.test")
    looks = ring.looks
    assert behind.is_proof(token, verifier)
    assert ring.looks == looks, "what is known is not looked for"
    assert behind.new(SID)[1].startswith(b"k1:")


def test_a_form_of_any_key_in_the_ring_is_good() -> None:
    """Shown before a rotation, sent after it; and of a key this node has yet to read."""
    ring = Ring()
    behind, other = FormProofs(b"0" * 32, look_again=ring.look), FormProofs(b"1" * 32, [b"0" * 32])
    other.check(behind.proof("token"), "token")
    ring.give = lambda: behind.replace_keys(b"1" * 32, [b"0" * 32])
    behind.check(other.proof("token"), "token")
    assert behind.proof("token") == other.proof("token")
    behind.replace_keys(b"1" * 32)
    with pytest.raises(CsrfRefused):
        behind.check(FormProofs(b"0" * 32).proof("token"), "token")


def test_a_log_in_under_way_comes_back_after_a_rotation() -> None:
    """And one that a node further ahead began; not one whose key is gone."""
    ring, browser = Ring(), Browser()
    cookies, once = Cookies(secure=True), OnceInMemory()
    behind = Transactions(OLD, "k0", cookies, once, Clock(), ring.look)
    other = Transactions(BOTH, "k1", cookies, once, Clock())
    early, late = browser.begin(behind), browser.begin(other)
    assert other.find(early.state, browser.cookies) == early
    with pytest.raises(LogInFailed):
        behind.find(late.state, browser.cookies)
    ring.give = lambda: behind.replace_keys(BOTH, "k1")
    assert behind.find(late.state, browser.cookies) == late
    behind.replace_keys({"k1": BOTH["k1"]}, "k1")
    with pytest.raises(LogInFailed):
        behind.find(early.state, browser.cookies)


def test_a_context_token_of_a_key_that_is_new_is_known_at_once() -> None:
    """Two nodes, one of which signs with a key that the other has yet to read; a forged kid costs one look."""
    ring = Ring()
    behind, token = ContextSigner([C0], PUBLIC_URL, Clock(), ring.look), sign(ahead())
    with pytest.raises(Unauthenticated, match="not the hub's"):
        behind.verify(token, ["a"])
    assert ring.looks == 1
    ring.give = lambda: behind.replace_keys([C0, C1])
    assert behind.verify(token, ["a"]).sid == SID
    behind.verify(sign(behind), ["a"])
    assert ring.looks == 2


def test_the_next_context_key_is_listed_and_does_not_sign() -> None:
    """Then it signs, and the old one is listed until it is gone; nothing remembered outlives the change."""
    contexts = ContextSigner([C0, C1], PUBLIC_URL, Clock())
    assert [key["kid"] for key in contexts.jwks()["keys"]] == ["c0", "c1"]
    before = sign(contexts)
    contexts.verify(before, ["a"])
    contexts.replace_keys([C0_OLD, C1_ACTIVE])
    assert sign(contexts) != before, "nothing signed before is handed out again"
    assert [key["kid"] for key in contexts.jwks()["keys"]] == ["c1", "c0"]
    contexts.verify(before, ["a"])
    contexts.replace_keys([C1_ACTIVE])
    with pytest.raises(Unauthenticated):
        contexts.verify(before, ["a"])
