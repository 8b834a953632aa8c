"""Walking a history: what fits together is walked over, and nothing that an entry may say makes the walk stumble."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.core.chain import Chain, position_at
from hub.core.json import dumps
from hub.core.trail import Trail, oldest_kept
from tests.core.strategies import names, quick, scalars, values

CHAIN, SID, AT = Chain(bytes(range(32))), "0123456789abcdef-0123456789abcdefghijkl", "2026-01-01T00:00:00.000Z"
DEEP = b"[" * 1000 + b"]" * 1000
MEMBERS = ["kind", "revision", "base", "ops", "actor", "at", "request_id", "document", "before"]
Said = dict[str, Any]


def entries(said: list[Said]) -> list[tuple[int, bytes, bytes]]:
    """Revision, chain value and plaintext of a history that says this, chained as it should be."""
    value, base, made = CHAIN.start(SID), None, []
    for revision, members in enumerate(said, 1):
        common = {"kind": "commit", "revision": revision, "base": base and str(base), "ops": []}
        plain = dumps(common | {"actor": "user:ada", "at": AT, "request_id": "r"} | members).replace(b'"DEEP"', DEEP)
        value = CHAIN.extend(value, plain)
        base = position_at(revision, value)
        made.append((revision, value, plain))
    return made


def opening(document: Said) -> Said:
    """What a first entry says."""
    return {"kind": "open", "document": document}


def add(path: str, value: Any) -> Said:
    """What a commit says that adds something."""
    return {"ops": [{"op": "add", "path": path, "value": value}]}


def walk(made: list[tuple[int, bytes, bytes]]) -> tuple[Trail, tuple[int | None, str] | None]:
    """The trail, and the first thing that does not fit."""
    trail = Trail(SID, [Chain(bytes(32)), CHAIN])
    for entry in made:
        if finding := trail.step(*entry):
            return trail, (finding.revision, finding.fault)
    return trail, None


def test_a_history_is_walked_to_its_document() -> None:
    """Position, number of entries and document are those after the last one; an end and a reveal change nothing."""
    said = [opening({"profile": {}}), add("/profile/a", 1), {"kind": "reveal"}, add("/profile/b", 2), {"kind": "end"}]
    made = entries(said)
    trail, found = walk(made)
    assert (found, trail.entries, trail.document) == (None, 5, {"profile": {"a": 1, "b": 2}})
    assert trail.position == position_at(5, made[-1][1])
    assert (trail.first and trail.first.kind, trail.last and trail.last.kind) == ("open", "end")


def test_what_does_not_fit_leaves_the_trail_where_it_was() -> None:
    """The position is the last good one."""
    made = entries([opening({}), add("/a", 1), {"ops": [{"op": "remove", "path": "/nowhere"}]}])
    trail, found = walk(made)
    assert (found, trail.revision, trail.document) == ((3, "ops"), 2, {"a": 1})


@quick
@given(st.integers(0, 3), st.sampled_from(MEMBERS), values)
def test_nothing_that_an_entry_says_makes_the_walk_stumble(where: int, member: str, value: Any) -> None:
    """Chained as it should be, with any JSON in any member: it fits, or is named at its revision or the one after."""
    said = [opening({"p": {}}), add("/p/a", 1), add("/p/b", 2), add("/p/c", 3)]
    said[where] |= {member: value}
    _, found = walk(entries(said))
    assert found is None or found[0] in (where + 1, where + 2)


@quick
@given(
    st.integers(1, 3), st.lists(st.fixed_dictionaries({}, optional={"op": scalars, "path": scalars, "value": values}))
)
def test_no_operations_make_the_walk_stumble(where: int, ops: list[Said]) -> None:
    """Whatever a change claims to do."""
    said = [opening({"p": {}}), add("/p/a", 1), add("/p/b", 2), add("/p/c", 3)]
    said[where] |= {"ops": ops}
    _, found = walk(entries(said))
    assert found in (None, (where + 1, "ops"))


@quick
@given(st.binary(max_size=40), st.lists(names, max_size=3))
def test_what_is_no_json_object_is_no_entry(junk: bytes, other: list[str]) -> None:
    """Bytes of any kind."""
    for plain in (junk, dumps(other), dumps(dict.fromkeys(other, 1))):
        finding = Trail(SID, [CHAIN]).step(1, CHAIN.extend(CHAIN.start(SID), plain), plain)
        assert finding is not None
        assert (finding.revision, finding.fault) == (1, "unreadable")


def test_nesting_beyond_any_document_is_no_crash() -> None:
    """A checkpoint with a document a thousand levels deep is another document."""
    said = [opening({"p": 1}), add("/p", "DEEP"), add("/p", "DEEP") | {"document": {"p": "DEEP"}}]
    assert walk(entries(said))[1] == (3, "document")


def test_what_is_kept_follows_from_the_last_checkpoint() -> None:
    """Trimming goes by whole checkpoints, and keeps at least as many changes as configured."""
    assert [oldest_kept(revision, 256) for revision in (1, 256, 511, 512, 767, 768)] == [0, 0, 0, 256, 256, 512]
    assert [oldest_kept(revision, 300) for revision in (512, 767, 768, 1024)] == [0, 0, 256, 512]
    assert [oldest_kept(revision, 4096) for revision in (4096, 4351, 4352, 4608)] == [0, 0, 256, 512]
    assert oldest_kept(10_000, 1) == 9728
