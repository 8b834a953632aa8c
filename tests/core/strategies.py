"""What documents, patches and operations look like to Hypothesis: few names, so that paths often meet.

Not a test module: strategies, and the JSON comparison that tests use instead of the hub's own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from hub.core import pointer

Json = Any
VECTORS = Path(__file__).parents[1] / "vectors"
MOST_BYTES = 262_144

quick = settings(deadline=None, max_examples=60)
"""The profile of property tests here."""

NAMES = ("a", "b", "c/d", "e~f", "0", "1", "-", "", "__proto__")

names = st.sampled_from(NAMES)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 2, -1, 1.0, 0.5, 2**53 - 1, -(2**53) + 1, 1e300]),
    st.sampled_from(["", "x", "é", "\u0000", "1"]),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
documents = st.dictionaries(names, values, max_size=4)
paths = st.lists(names | st.sampled_from(["2", "01", "x"]), min_size=1, max_size=4).map(pointer.join)


@st.composite
def places(draw: st.DrawFn, document: Json) -> str:
    """A pointer that mostly leads somewhere in ``document``: an existing place, or one step beside one."""
    tokens: list[str] = []
    here: Json = document
    while isinstance(here, dict | list) and (not tokens or draw(st.booleans())):
        known: list[str] = _names_in(here)
        is_known = bool(known) and draw(st.sampled_from([True] * 5 + [False]))
        token: str = draw(st.sampled_from(known)) if is_known else draw(names)
        tokens.append(token)
        here = here.get(token) if isinstance(here, dict) else _element(here, token)
    return pointer.join(tokens)


def _names_in(here: Json) -> list[str]:
    return list(here) if isinstance(here, dict) else [*map(str, range(len(here))), "-"]


def _element(here: Json, token: str) -> Json:
    return here[int(token)] if isinstance(here, list) and token.isdigit() and int(token) < len(here) else None


@st.composite
def operations(draw: st.DrawFn, document: Json) -> dict[str, Any]:
    """One operation of RFC 6902 that mostly fits ``document``."""
    kind = draw(st.sampled_from(["add", "replace", "remove", "move", "copy", "test"]))
    path = draw(places(document) | paths)
    if kind in ("move", "copy"):
        return {"op": kind, "path": path, "from": draw(places(document) | paths)}
    if kind == "remove":
        return {"op": kind, "path": path}
    return {"op": kind, "path": path, "value": draw(values)}


@st.composite
def patched(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A document and a JSON Patch for it."""
    document = draw(documents)
    return document, draw(st.lists(operations(document), max_size=6))


def comparable(value: Json) -> Json:
    """``value`` so that Python's ``==`` is JSON equality: ``1`` is ``1.0`` and neither is ``true``."""
    if isinstance(value, bool):
        return "true" if value else "false", None
    if isinstance(value, dict):
        return {name: comparable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [comparable(member) for member in value]
    return value


def frozen(value: Json) -> str:
    """The exact text of a value: two are equal only if nothing at all was changed, order included."""
    return json.dumps(value)


def vectors(name: str) -> list[dict[str, Any]]:
    """The shared vectors in ``tests/vectors/<name>.json``."""
    found: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_bytes())
    return found


def nested(levels: int, kind: str = "list") -> Json:
    """``levels`` containers inside each other."""
    value: Json = [] if kind == "list" else {}
    for _ in range(levels - 1):
        value = [value] if kind == "list" else {"a": value}
    return value
