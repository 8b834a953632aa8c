"""Masking: shape without values, marks for names that may be data, and ops that still fit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from hub.core.document import apply
from hub.core.masking import MASK, Masks, without_tokens
from hub.core.patch import merge_patch
from tests.core.strategies import documents, quick

SID = "0123456789abcdef-aaaaaaaaaaaaaaaaaaaaaa"
VIEW = Masks(b"a key of the hub").view_of(SID)


def test_values_are_masked_and_kinds_are_not() -> None:
    """Texts and numbers look alike; null, true and false say what they are; arrays and objects keep their shape."""
    seen = VIEW.of_document(
        {"a": {"text": "x", "number": 4711, "half": 0.5, "no": None, "on": True}, "b": ["x", [1], {}]}
    )
    assert seen == {
        "a": {"text": MASK, "number": MASK, "half": MASK, "no": None, "on": True},
        "b": [MASK, [MASK], {}],
    }


PLAIN = ["name", "line_items", "street-2", "lastSeenAt", "MAX_AGE", "_x", "n12", "0", "17", "65535", "__proto__"]
DATA = [
    "ada@example.com",
    "+49 170 1234567",
    "01701234567",
    "DE89370400440532013000",
    "4111111111111111",
    "2026-11-24",
    "Ada Lovelace",
    "",
    "é",
    MASK,
    "hub_st_0123456789abcdef",
    "eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "gQwErTyUiOpAsDfGhJkL",
    "a" * 33,
]


@pytest.mark.parametrize("name", PLAIN)
def test_names_that_programs_give_are_shown(name: str) -> None:
    """In documents and in paths alike."""
    assert VIEW.of_document({"s": {name: 1}}) == {"s": {name: MASK}}
    assert VIEW.of_ops([{"op": "remove", "path": f"/s/{name}"}]) == [{"op": "remove", "path": f"/s/{name}"}]


@pytest.mark.parametrize("name", DATA)
def test_names_that_may_be_data_become_marks(name: str) -> None:
    """Always the same in one session, another in every other session, and with another key."""
    (mark,) = VIEW.of_document({"s": {name: 1}})["s"]
    assert mark.startswith(MASK)
    assert not name or name not in mark.removeprefix(MASK)
    assert VIEW.of_document({"s": {name: 1}})["s"] == {mark: MASK}
    for other in (Masks(b"a key of the hub").view_of(SID[:-1] + "b"), Masks(b"another key").view_of(SID)):
        assert other.name != VIEW.name
        assert mark not in other.of_document({"s": {name: 1}})["s"]


def test_sections_are_named_as_configured() -> None:
    """Their names are no data."""
    assert VIEW.of_document({"section-2026-11": 1}) == {"section-2026-11": MASK}
    assert VIEW.of_ops([{"op": "add", "path": "/section-2026-11", "value": 7}])[0]["path"] == "/section-2026-11"


@quick
@given(documents, documents)
def test_masked_ops_lead_from_masked_document_to_masked_document(before: dict[str, Any], after: dict[str, Any]) -> None:
    """So a copy that is kept by masked changes is the same as one that is read afresh."""
    ops = merge_patch(after).ops_for(before, 10**6)
    seen = apply(VIEW.of_document(before), VIEW.of_ops(ops))
    assert seen == VIEW.of_document(apply(before, ops))


def test_what_looks_like_a_credential_is_never_shown() -> None:
    """Wherever it stands in a text, as a name too; everything else stays."""
    token = "hub_st_0123456789abcdef-x.y_z-0"
    said = {
        "a": f"see {token}, ok",
        token: ["hub_sk_billing_x", {"n": 1}],
        "t": "hub.ticket.abc",
        "j": "eyJhbGciOiJFUzI1NiJ9.e30.s",
    }
    assert without_tokens(said) == {
        "a": "see [secret], ok",
        "[secret]": ["[secret]", {"n": 1}],
        "t": "[secret]",
        "j": "[secret]",
    }
    kept = {"name": "Ada", "n": [1, 0.5, None, True], "key": "sk_live_1"}
    assert without_tokens(kept) == kept
