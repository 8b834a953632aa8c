"""The runner's own judgement: what counts as seen red, and which entries cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.security.mutate import _verdict
from tests.security.table import Defence, defences
from tests.security.verdicts import _kind
from tests.support.nodes import NodeFailed

TIMEOUT = pytest.fail.Exception("Timeout (>60.0s) from pytest-timeout.")
ENTRY = "[[defence]]\nrow = 1\nwithout = 'x'\nfile = 'a.py'\nfind = 'a'\nput = 'b'\n"


@pytest.mark.parametrize(
    ("error", "when", "kind"),
    [
        (AssertionError("no"), "call", "assertion"),
        (pytest.fail.Exception("DID NOT RAISE ValueError"), "call", "assertion"),
        (ExceptionGroup("", [ExceptionGroup("", [AssertionError("no")])]), "call", "assertion"),
        (AssertionError("no"), "setup", "other"),
        (NodeFailed("the node stopped with 1"), "call", "other"),
        (TIMEOUT, "call", "other"),
        (TimeoutError(), "call", "other"),
        (ImportError("no"), "call", "other"),
    ],
)
def test_only_a_guarantee_that_fails_is_red(error: BaseException, when: str, kind: str) -> None:
    """An assertion in the test itself; not what kept it from asking."""
    assert _kind(error, when) == kind


@pytest.mark.parametrize(
    ("code", "kinds", "wanted"),
    [
        (0, ["passed", "passed"], "green"),
        (0, [], "broken"),
        (1, ["passed", "assertion"], "red"),
        (1, ["other"], "broken"),
        (1, ["assertion", "other"], "broken"),
        (1, [], "broken"),
        (2, ["assertion"], "broken"),
        (99, [], "broken"),
        (None, ["assertion"], "broken"),
    ],
)
def test_a_run_that_says_nothing_is_neither_green_nor_red(
    tmp_path: Path, code: int | None, kinds: list[str], wanted: str
) -> None:
    """No test, another failure, pytest's own errors, too long: all broken."""
    lines = [json.dumps({"test": "t::t", "kind": kind, "why": "because"}) for kind in kinds]
    (tmp_path / "verdicts").write_text("\n".join(lines))
    (tmp_path / "output").write_text("said\n")
    assert _verdict(code, tmp_path / "verdicts", tmp_path / "output", 1.0).kind == wanted


@pytest.mark.parametrize(
    ("source", "put", "problem"),
    [
        ("a", "b", None),
        ("aa", "b", "2 times"),
        ("x", "b", "0 times"),
        ("a", "a", "changes nothing"),
        (None, "b", "there is no a.py"),
    ],
)
def test_an_entry_has_to_fit_the_source(tmp_path: Path, source: str | None, put: str, problem: str | None) -> None:
    """Its text is there once, and what replaces it is something else."""
    if source is not None:
        (tmp_path / "a.py").write_text(source)
    found = Defence("x.toml", 1, "x", "a.py", "a", put).problem(tmp_path)
    assert (found is None) if problem is None else (problem in (found or ""))


@pytest.mark.parametrize("text", [ENTRY + "nonsense = 1\n", ENTRY.replace("put = 'b'\n", ""), "[[defence]\n"])
def test_a_file_of_defences_says_what_it_has_to(tmp_path: Path, text: str) -> None:
    """Missing and unknown keys are errors, with the name of the file."""
    (tmp_path / "good.toml").write_text(ENTRY)
    assert [entry.row for entry in defences(tmp_path)] == [1]
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ValueError, match=r"bad\.toml"):
        defences(tmp_path)
