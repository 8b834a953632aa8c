"""The wheel carries everything: browser client and demo apps too, and both are found without a checkout."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.cli.processes import ROOT, end_of, line_of, running

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-build-isolation"]
    subprocess.run([*pip, "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a folder of its own, as an installation has it: nothing of the checkout beside it."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True, capture_output=True)
    return folder


def test_the_wheel_holds_client_and_demo(wheel: Path) -> None:
    """Every file of both folders, and nothing that a build left lying about."""
    names = set(zipfile.ZipFile(wheel).namelist())
    for source, target in (("client_js", "hub/_client"), ("demo_apps", "hub/_demo")):
        kept = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", source],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout.split()
        expected = {target + name.removeprefix(source) for name in kept}
        assert expected <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_an_installed_hub_runs_the_demo(installed: Path, tmp_path: Path) -> None:
    """`hub demo` and /client/ work from the wheel alone."""
    with running(["-m", "hub", "demo", "--port", "0", "--json"], {"PYTHONPATH": str(installed)}, tmp_path) as program:
        about = json.loads(line_of(program))
        cmdlines = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in cmdlines]
        assert any(str(installed / "hub/_demo/desk/server.py") in command for command in commands)
        assert not any(str(ROOT / "demo_apps") in command for command in commands)
        assert "export * from" in httpx.get(f"{about['url']}/client/index.js").text
        program.terminate()
        assert end_of(program) == (0, "")
