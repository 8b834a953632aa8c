"""Refusals that depend on who asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.core.principal import Kind, Principal
from hub.core.session import Ending
from hub.errors import OwnSessionEnded, SessionEnded, SessionNotFound, Unauthenticated
from hub.sessions import verdicts
from tests.sessions.worlds import World

KINDS: list[tuple[Kind, bool]] = [("user", True), ("app", True), ("service", False), ("operator", False)]


@pytest.mark.parametrize(("kind", "own"), KINDS)
def test_an_end_is_401_to_who_lives_in_the_session_and_410_to_others(kind: Kind, own: bool) -> None:
    """With reason and time, in both cases."""
    ended = replace(World().make(), ending=Ending("idle", 1_764_000_000_123, "by hand"))
    error = verdicts.over(Principal(kind, "x", {}), ended)
    assert type(error) is (OwnSessionEnded if own else SessionEnded)
    assert int(error.status) == (401 if own else 410)
    assert error.facts == {"reason": "idle", "ended_at": "2025-11-24T16:00:00.123Z"}


@pytest.mark.parametrize(("kind", "own"), KINDS)
def test_a_missing_session_is_an_unknown_credential_to_who_lives_in_it(kind: Kind, own: bool) -> None:
    """404 to others."""
    assert type(verdicts.missing(Principal(kind, "x", {}))) is (Unauthenticated if own else SessionNotFound)


def test_users_and_apps_may_only_mean_their_own() -> None:
    """Any other sid is refused unread, well-formed or not; ``me`` needs a session of one's own."""
    bound, free = Principal("user", "ada", {}, sid="own"), Principal("service", "s", {})
    assert verdicts.addressed(bound, "me") == verdicts.addressed(bound, "own") == "own"
    assert verdicts.addressed(free, "any") == "any"
    for principal, sid in ((bound, "other"), (bound, ""), (free, "me")):
        with pytest.raises(SessionNotFound):
            verdicts.addressed(principal, sid)
