"""The configured sections: what a new session holds, and what fits."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.json import dumps
from hub.errors import SchemaViolation, TooLarge, UnknownSection
from hub.sessions.sections import MOST_ERRORS, Section, Sections
from tests.sessions.worlds import sections


def test_a_new_session_holds_first_values_and_who_it_is() -> None:
    """Sections without a first value are not there yet; ``identity`` always is."""
    made = Sections([Section("a", "write", {"x": []}), Section("b", None, False), Section("c")], 1000)
    assert made.first_document({"sub": "ada"}) == {"a": {"x": []}, "b": False, "identity": {"sub": "ada"}}


def test_browsers_read_identity_and_see_nothing_that_is_not_theirs() -> None:
    """Nobody has to configure ``identity``, and no section is theirs by default."""
    assert sections().browser_grants == {
        "identity": "read",
        "profile": "write",
        "preferences": "write",
        "cart": "write",
    }


def test_unknown_sections_are_named_within_bounds() -> None:
    """Sorted pointers, at most twenty, and never a long name in full."""
    sections().check_known(["profile", "secret", "identity"])
    names = [f"n{number:02d}" for number in range(50)] + ["m" * 1000]
    with pytest.raises(UnknownSection) as caught:
        sections().check_known(names)
    errors = caught.value.facts["errors"]
    assert len(errors) == MOST_ERRORS
    assert errors[0]["pointer"] == "/" + "m" * 199
    assert errors[1]["pointer"] == "/n00"


def test_only_touched_sections_are_checked_against_their_schema() -> None:
    """A schema that became stricter does not block commits elsewhere."""
    old: dict[str, Any] = {"preferences": {"theme": "blue"}, "cart": []}
    assert sections().check(old, ["cart"]) == len(dumps(old))
    with pytest.raises(SchemaViolation):
        sections().check(old, ["preferences"])
    sections().check({"cart": []}, ["preferences"])  # removed: there is nothing to check


def test_violations_name_their_places() -> None:
    """Pointers from the document's root, escaped; bounded in number and length."""
    with pytest.raises(SchemaViolation) as caught:
        sections().check({"preferences": {"theme": "blue", "size": "x"}}, ["preferences"])
    assert {each["pointer"] for each in caught.value.facts["errors"]} == {"/preferences/theme", "/preferences/size"}
    with pytest.raises(SchemaViolation) as caught:
        sections().check({"preferences": {"size": "x" * 1000}}, ["preferences"])
    assert len(caught.value.facts["errors"][0]["message"]) <= 300


def test_limits_are_of_bytes_and_inclusive() -> None:
    """The limit itself fits; characters of several bytes count as such."""
    made = Sections([Section("a", max_bytes=10), Section("b")], 40)
    made.check({"a": "12345678"}, ["a"])
    for value in ("123456789", "éééé1"):
        with pytest.raises(TooLarge) as caught:
            made.check({"a": value}, ["a"])
        assert caught.value.facts["limit_bytes"] == 10
    assert made.check({"b": "x" * 32}, ["b"]) == 40
    with pytest.raises(TooLarge) as caught:
        made.check({"b": "x" * 33}, ["b"])
    assert caught.value.facts["limit_bytes"] == 40
