"""Principals: how history names them, and whose end is whose."""

from __future__ import annotations

import pytest

from hub.core.principal import Kind, Principal


@pytest.mark.parametrize(("kind", "own"), [("user", True), ("app", True), ("service", False), ("operator", False)])
def test_users_and_apps_live_in_their_session(kind: Kind, own: bool) -> None:
    """For them its end is the end of their credential; services and operators merely address it."""
    principal = Principal(kind, "x", {"a": "read"})
    assert principal.owns_its_session is own
    assert principal.actor == f"{kind}:x"
    assert principal.view.sections == {"a"}
