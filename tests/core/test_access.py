"""Grants and views: who sees and writes what, and that nothing outside a view gets through."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.core.access import Right, View, narrow, not_readable, not_writable
from hub.core.document import apply
from hub.errors import HubError
from tests.core.strategies import comparable, names, patched, quick

grants = st.dictionaries(names, st.sampled_from(["read", "write"]), max_size=5)
Grants = dict[str, Right]


@quick
@given(grants, grants)
def test_narrowing_never_widens(mine: Grants, other: Grants) -> None:
    """What is left is what both allow, with the weaker right of the two."""
    both = narrow(mine, other)
    assert both.keys() == mine.keys() & other.keys()
    for section, right in both.items():
        assert (right == "write") == (mine[section] == other[section] == "write")


@quick
@given(grants, st.sets(names))
def test_writing_needs_a_write_grant_and_reading_any(mine: Grants, wanted: set[str]) -> None:
    """Both lists are sorted, and together they are exactly what is missing."""
    assert not_writable(mine, wanted) == sorted(name for name in wanted if mine.get(name) != "write")
    assert not_readable(mine, wanted) == sorted(wanted - mine.keys())


@quick
@given(grants, grants)
def test_views_have_the_same_name_only_if_they_are_the_same(left: Grants, right: Grants) -> None:
    """The name covers sections and rights, whatever their order, so that a changed grant is another view."""
    same = View.of(left).name == View.of(dict(reversed(right.items()))).name
    assert same == (left == right)
    assert len(View.of(left).name) == 8
    assert int(View.of(left).name, 16) >= 0


@quick
@given(patched(), st.frozensets(names))
def test_filtering_ops_and_filtering_documents_agree(
    case: tuple[dict[str, Any], list[dict[str, Any]]], sections: frozenset[str]
) -> None:
    """A copy that applies only the visible ops shows exactly the visible part of the result."""
    document, operations = case
    ops = [operation for operation in operations if operation["op"] in ("add", "replace", "remove")]
    view = View("12345678", sections)
    try:
        whole = apply(document, ops)
    except HubError:
        return
    copy = apply(view.of_document(document), view.of_ops(ops))
    assert comparable(copy) == comparable(view.of_document(whole))
    assert copy.keys() <= sections
