"""Rules every file of the demo keeps: own files only, no inline code, no polling, nothing of the hub's insides."""

import ast
import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from tests.demo.fake_hub import CONFIGURATION, DEMO

PAGES = sorted(DEMO.rglob("*.html"))
SCRIPTS = sorted(DEMO.rglob("*.js"))
STYLES = sorted(DEMO.rglob("*.css"))
PROGRAMS = sorted(DEMO.rglob("*.py"))
TEXTS = DEMO / "app_b" / "static" / "texts.json"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name(path: Path) -> str:
    return str(path.relative_to(DEMO))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_page_has_no_inline_code(path: Path) -> None:
    """The policy would block it; here it is noticed sooner."""
    text = read(path)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


@pytest.mark.parametrize("path", [*PAGES, *SCRIPTS, *STYLES], ids=name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    """No CDN, no font host, no tracker."""
    assert not re.search(r"https?://|[\"'(]//", read(path))


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_no_script_polls_or_parses_html(path: Path) -> None:
    """Pages hear of changes; they do not ask for them. Values become text, never markup."""
    assert not re.search(r"setInterval|innerHTML|insertAdjacentHTML|document\.write|eval\(", read(path))


@pytest.mark.parametrize("path", PROGRAMS, ids=name)
def test_a_program_imports_nothing_of_the_hub_or_of_another_app(path: Path) -> None:
    """Separate programs: HTTP between them, and one small shared folder."""
    imported = set()
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    own = path.relative_to(DEMO).parts[0]
    assert not imported & ({"hub", "idp", "app_a", "app_b", "desk"} - {own})


def test_every_language_says_everything() -> None:
    texts = json.loads(read(TEXTS))
    languages = json.loads(read(DEMO / "schemas" / "profile.json"))["properties"]["language"]["enum"]
    assert sorted(texts) == sorted(languages)
    assert all(words.keys() == texts["en"].keys() for words in texts.values())


def test_the_configuration_and_its_schemas_agree() -> None:
    """Schemas compile, initial sections fit them, grants name known sections."""
    for section in CONFIGURATION["sections"].values():
        validator = jsonschema_rs.validator_for(read(DEMO / section["schema"]))
        assert validator.is_valid(section["initial"])
    known = {"identity", *CONFIGURATION["sections"]}
    for holder in [*CONFIGURATION["apps"].values(), *CONFIGURATION["services"].values()]:
        assert set(holder["sections"]) <= known


def test_no_key_lies_in_the_configuration() -> None:
    """The billing key is made anew for each demo."""
    assert "key_sha256" not in CONFIGURATION["services"]["billing"]
    assert "client_secret" not in CONFIGURATION["identity_providers"]["demo"]
