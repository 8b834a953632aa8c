"""The client's files as they are served: a stable entrance that names all it needs, and a version for good."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hub import resources
from hub.api.client_files import ALWAYS_ASK, FOREVER, ClientFiles
from hub.errors import NotFound

LATER = {"debug.js", "token.js", "react.js"}


@pytest.fixture(scope="module")
def files() -> ClientFiles:
    return ClientFiles(resources.find("client_js"))


def named(content: bytes, version: str) -> list[str]:
    """The files of this version that a module names, in order."""
    return re.findall(rf"'\./{re.escape(version)}/([^']+)'", content.decode())


def test_the_entrance_names_every_module_that_a_page_needs(files: ClientFiles) -> None:
    """All modules of the folder, so that none is found a round trip later; none that is loaded only when asked for."""
    content, kind, rule = files.get("index.js")
    assert (kind, rule) == ("text/javascript; charset=utf-8", ALWAYS_ASK)
    modules = {file.name for file in resources.find("client_js").glob("*.js")}
    assert set(named(content, files.version)) == modules - LATER
    assert content.decode().splitlines()[-1] == f"export * from './{files.version}/index.js'"


def test_what_an_entrance_names_is_there_for_good(files: ClientFiles) -> None:
    """Under its version each module is served as it lies in the folder, and may be kept for ever."""
    for name in named(files.get("index.js")[0], files.version):
        content, _, rule = files.get(f"{files.version}/{name}")
        assert content == (resources.find("client_js") / name).read_bytes()
        assert rule == FOREVER


@pytest.mark.parametrize("path", ["", "nothing.js", "package.json", "../pyproject.toml", "0.0.0-00000000/index.js"])
def test_nothing_else_is_served(files: ClientFiles, path: str) -> None:
    """No other version, no path that leads out of the folder, no entrance that is no module."""
    with pytest.raises(NotFound):
        files.get(path)


def test_another_content_is_another_version(tmp_path: Path) -> None:
    """What may be kept for ever never changes under its name. Circles of imports end."""
    (tmp_path / "index.js").write_text("import { x } from './other.js'\n")
    (tmp_path / "other.js").write_text("import './index.js'\nimport './gone.js'\nexport const x = 1\n")
    before = ClientFiles(tmp_path)
    assert named(before.get("index.js")[0], before.version) == ["other.js", "index.js"]
    (tmp_path / "other.js").write_text("export const x = 2\n")
    assert ClientFiles(tmp_path).version != before.version
