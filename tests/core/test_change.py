"""History entries: what is written is what is read."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from hub.core.change import Change, Kind, decode_entry, encode_entry
from hub.core.position import Position
from tests.core.strategies import documents, quick

optional_text = st.none() | st.text("ab_-", max_size=20)
positions = st.builds(Position, st.integers(1, 2**40), st.just("0badcafe"))
ops = st.lists(st.fixed_dictionaries({"op": st.just("add"), "path": st.just("/a"), "value": documents}), max_size=3)


@quick
@given(
    kind=st.sampled_from(["open", "commit", "reveal", "end"]),
    base=st.none() | positions,
    steps=ops,
    commit=optional_text,
    document=st.none() | documents,
    reason=optional_text,
    revealed=st.none() | documents,
)
def test_a_change_comes_back_whole(
    kind: Kind,
    base: Position | None,
    steps: list[dict[str, Any]],
    commit: str | None,
    document: dict[str, Any] | None,
    reason: str | None,
    revealed: dict[str, Any] | None,
) -> None:
    """Every member survives, an empty document and an empty text included; what is missing stays missing."""
    after = Position((base.revision if base else 0) + 1, "12345678")
    said: Any = {"actor": "user:ada/é", "at": "2026-11-24T10:00:00.123Z", "request_id": "r1"}
    optional: Any = {"commit": commit, "document": document, "reason": reason, "revealed": revealed}
    entry = encode_entry(kind=kind, base=base, revision=after.revision, ops=steps, **said, **optional)
    change = decode_entry(orjson.loads(entry), after)
    assert change == Change(kind, base, after, steps, **said, **optional)
    assert encode_entry(kind=kind, base=base, revision=after.revision, ops=steps, **said, **optional) == entry


def test_an_entry_is_compact_and_leaves_out_what_says_nothing() -> None:
    """Entries are kept byte for byte: their form is part of the contract with the chain."""
    entry = encode_entry(
        kind="commit", base=Position(1, "aaaaaaaa"), revision=2, ops=[], actor="app:a", at="t", request_id="r"
    )
    assert entry == (
        b'{"kind":"commit","revision":2,"base":"1.aaaaaaaa","ops":[],"actor":"app:a","at":"t","request_id":"r"}'
    )
