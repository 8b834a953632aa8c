"""Sessions: what a sid looks like, and when a session is due."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.core.position import Position
from hub.core.session import LogIn, Session, is_sid, user_tag

SID = "0123456789abcdef-AAAAAAAAAAAAAAAAAAAAA_"
SESSION = Session(
    sid=SID,
    log_in=LogIn(provider="main", issuer="https://idp", user="ada", auth_time=0, began_ms=0),
    position=Position(1, "aaaaaaaa"),
    document={},
    created_ms=0,
    expires_ms=100,
    idle_expires_ms=50,
    chain=b"secret-chain",
    verifier=b"secret-verifier",
    data_key=b"secret-key",
)


def test_a_sid_names_its_user() -> None:
    """The first sixteen digits are common to all sessions of a user."""
    assert is_sid(SID)
    assert user_tag(SID) == "0123456789abcdef"


@pytest.mark.parametrize(
    "text", ["", "me", SID + "A", SID[:-1], SID.upper(), SID + "\n", SID.replace("_", "}"), "*", "../x"]
)
def test_nothing_else_becomes_part_of_a_key(text: str) -> None:
    """Braces, stars, line ends, other lengths: not a sid."""
    assert not is_sid(text)


def test_the_nearer_deadline_counts_and_says_why() -> None:
    """At the deadline itself the session is over; past both, it expired."""
    assert SESSION.deadline_ms == 50
    assert SESSION.due(49) is None
    assert SESSION.due(50) == "idle"
    assert SESSION.due(100) == "expired"
    assert replace(SESSION, idle_expires_ms=200).due(99) is None
    assert replace(SESSION, idle_expires_ms=200).deadline_ms == 100


def test_secrets_are_not_shown() -> None:
    """A session may be logged by accident; its keys may not."""
    assert "secret" not in repr(SESSION)
