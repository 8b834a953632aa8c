"""Doors: each trusts its own pages and its own tokens."""

from __future__ import annotations

import pytest

from hub.identity.doors import Doors
from hub.identity.session_tokens import SessionTokens

PUBLIC, CONSOLE, LISTED = "https://hub.example.com", "https://ops.example.com", "https://shop.example.com"
SID = "0123456789abcdef-abcdefghijklmnopqrstuv"


def test_an_operator_is_one_at_the_consoles_door_only() -> None:
    """With a console of its own, the public door is for apps and the console's for operators."""
    doors = Doors(PUBLIC, CONSOLE, [LISTED])
    public, console = doors.at("hub.example.com"), doors.at("OPS.example.com")
    assert (public.is_for_apps, public.is_for_operators) == (True, False)
    assert (console.is_for_apps, console.is_for_operators) == (False, True)
    assert doors.at("elsewhere.example.com") == public


def test_a_door_trusts_pages_of_its_own_origin() -> None:
    """Neither the public origin nor a listed one may act at the console."""
    doors = Doors(PUBLIC, CONSOLE, [LISTED])
    seen = {
        origin: (origin in doors.public.origins, origin in doors.at("ops.example.com").origins)
        for origin in (PUBLIC, CONSOLE, LISTED)
    }
    assert seen == {PUBLIC: (True, False), CONSOLE: (False, True), LISTED: (True, False)}


@pytest.mark.parametrize(("console_url", "for_operators"), [(PUBLIC, True), (None, False)])
def test_without_a_host_of_its_own_there_is_one_door(console_url: str | None, for_operators: bool) -> None:
    """The console shares the public origin (on loopback), or there is none."""
    doors = Doors(PUBLIC, console_url)
    assert doors.at("hub.example.com") == doors.at("ops.example.com") == doors.public
    assert (doors.public.is_for_apps, doors.public.is_for_operators) == (True, for_operators)


def test_a_token_is_good_at_the_door_it_was_made_at() -> None:
    """At the other one it proves nothing, in either direction."""
    tokens = SessionTokens({"k": b"1" * 32}, "k")
    for made_at, other in (("", "console"), ("console", "")):
        token, verifier = tokens.new(SID, made_at)
        assert tokens.is_proof(token, verifier, made_at)
        assert not tokens.is_proof(token, verifier, other)
