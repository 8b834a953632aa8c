"""The site on a store of many servers (``deploy/compose/sentinel.yml``, ``cluster.yml``) without Docker.

The store's network becomes a piece of 127.0.0.0/8: a server keeps its port and the last byte of its address, and its
name becomes that address everywhere, in what it is told and in what it tells. Where the program speaks no TLS, those
lines are left out of the configuration; everything else is what the containers read.
"""

from __future__ import annotations

import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from tests.deploy.compose_files import compose_file, init, read_env
from tests.deploy.composed import START_SECONDS, Composed, store_program
from tests.support.nodes import ROOT, clean_environment
from tests.support.stores import program_wanted
from tests.support.waiting import becomes

PREFIX = "172.28.8."
PORTS = {"valkey": 6379, "sentinel": 26379}
CLI = Path(__file__).with_name("valkey_cli.py")
NAMES = re.compile(r"(?<![\w./-])(valkey(?:-\d)?|sentinel-\d)(?![\w./-])")
READ = {".conf", ".sh"}  # what has paths and names in it


class ManyServers(Composed):
    """``over`` names the second compose file."""

    def __init__(self, folder: Path, over: str, *, is_tls: bool | None = None) -> None:
        self.over, self.network = over, f"127.{random.randint(2, 254)}.{random.randint(2, 254)}."
        super().__init__(folder)
        self.is_tls_store = program_wanted() == "redis" if is_tls is None else is_tls
        self._make_programs()

    def _init(self) -> Path:
        names = ",".join(f"IP:{self.network}{last}" for last in range(11, 24))
        return init(self.folder, STORE_NAMES=names)

    def _read(self) -> dict[str, Any]:
        services: dict[str, Any] = compose_file(self.over)["services"]
        return services

    # what a service is here

    def address(self, name: str) -> str:
        """Of a server of the store."""
        fixed: str = self.services[name]["networks"]["store"]["ipv4_address"]
        return fixed.replace(PREFIX, self.network)

    def port(self, name: str) -> int:
        """The same as in its container."""
        return PORTS[name.partition("-")[0]]

    def is_server(self, name: str) -> bool:
        """Of the store."""
        return name.partition("-")[0] in PORTS

    @property
    def servers(self) -> list[str]:
        """All of them, sentinels last."""
        return sorted(filter(self.is_server, self.services), key=lambda name: (not name.startswith("valkey"), name))

    def here(self, name: str, text: str) -> str:
        """Names and addresses of servers first."""
        text = NAMES.sub(lambda found: self.address(found[1]), text).replace(PREFIX, self.network)
        return super().here(name, text if self.is_tls_store else text.replace("rediss+", "redis+"))

    def mounts(self, name: str) -> dict[str, str]:
        """What a server reads is a copy, with the paths of this machine in it."""
        found = super().mounts(name)
        if self.is_server(name) or name == "cluster":
            found |= {target: str(self._copy_of(name, target)) for target in found if target.startswith("/etc/")}
            found |= {target: str(self._copy_of(name, target)) for target in found if target == "/run/store"}
        return found

    def _copy_of(self, name: str, target: str) -> Path:
        return self.folder / name / target.strip("/").replace("/", "-")

    def _place(self, name: str) -> None:
        """Make the copies."""
        for target, source in super().mounts(name).items():
            copy = self._copy_of(name, target)
            if str(copy) != self.mounts(name)[target]:
                continue
            files = [Path(source)] if Path(source).is_file() else sorted(Path(source).iterdir())
            for file in files:
                to = copy if Path(source).is_file() else copy / file.name
                to.parent.mkdir(parents=True, exist_ok=True)
                to.write_text(self._read_by(name, file))

    def _read_by(self, name: str, file: Path) -> str:
        text = file.read_text()
        if file.suffix not in READ:
            return text
        text = self.here(name, text)
        return text if self.is_tls_store or file.suffix != ".conf" else without_tls(text)

    def command(self, name: str) -> list[str]:
        """What the container of a server runs, on its address."""
        if not self.is_server(name) and name != "cluster":
            return super().command(name)
        service = self.services[name]
        words = [*service.get("entrypoint", []), *service["command"]]
        bound = ["--bind", self.address(name)] if self.is_server(name) else []
        return [*(self.here(name, word) for word in words), *bound]

    # programs that the image has

    def _make_programs(self) -> None:
        """``valkey-server``, ``valkey-cli`` and the image's entry point, on a path of their own."""
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        (self.programs / "valkey-server").symlink_to(store_program(is_tls=self.is_tls_store))
        redis_cli = shutil.which("redis-cli")
        if self.is_tls_store and redis_cli:
            (self.programs / "valkey-cli").symlink_to(redis_cli)
        else:
            script = f'#!/bin/sh\nexec {sys.executable} -SE {CLI} "$@"\n'
            (self.programs / "valkey-cli").write_text(script)
        (self.programs / "docker-entrypoint.sh").write_text('#!/bin/sh\nexec "$@"\n')
        for file in self.programs.iterdir():
            if not file.is_symlink():
                file.chmod(0o700)

    def _around(self, name: str) -> dict[str, str]:
        around = clean_environment() | self.environment(name)
        return around | {"PATH": f"{self.programs}:{around['PATH']}", "PYTHONPATH": str(ROOT)}

    # starting and stopping

    def start(self, name: str) -> subprocess.Popen[str]:
        """Start one service, and wait until it listens."""
        if not self.is_server(name):
            return super().start(name)
        self._place(name)
        data = self.folder / f"{name}-data"  # its volume
        data.mkdir(exist_ok=True)
        with (self.folder / name / "log").open("a") as log:
            process = subprocess.Popen(
                self.command(name), env=self._around(name), cwd=data, stdout=log, stderr=log, text=True
            )
        self.processes[name] = process

        def listens() -> bool:
            assert process.poll() is None, f"{name} stopped: {self.log(name)[-2000:]}"
            with socket.socket() as probe:
                return probe.connect_ex((self.address(name), self.port(name))) == 0

        assert becomes(listens, START_SECONDS), f"{name} does not listen: {self.log(name)[-2000:]}"
        return process

    def run(self, name: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """A service that ends by itself."""
        self._place(name)
        around, command = self._around(name), self.command(name)
        return subprocess.run(command, env=around, capture_output=True, text=True, check=False, timeout=seconds)

    def hub(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """``docker compose exec NAME hub …``."""
        command = [sys.executable, "-m", "hub", *words]
        place, around = self.folder / name, self._around(name) | {"HUB_DATA_DIR": str(self.folder / name / "data")}
        return subprocess.run(command, env=around, cwd=place, capture_output=True, text=True, check=False, timeout=60)

    def health(self, name: str) -> int:
        """The exit code of a server's health check."""
        _, *words = self.services[name]["healthcheck"]["test"]
        words = [self.address(name) if word == "localhost" else self.here(name, word) for word in words]
        ca = str(self.secrets / "ca.pem")
        words = [ca if word.endswith("ca.pem") else word for word in words]
        return subprocess.run(words, env=self._around(name), check=False, capture_output=True, timeout=20).returncode

    def log(self, name: str) -> str:
        """What it said."""
        return (self.folder / name / "log").read_text()

    def kill(self, name: str) -> None:
        """``kill -9``."""
        self.processes[name].kill()
        self.processes[name].wait()

    def end(self, *names: str) -> None:
        """What ``docker compose stop`` does: SIGTERM to all of these."""
        for name in names:
            self.processes[name].terminate()
        for name in names:
            self.processes[name].wait(START_SECONDS)

    def stop(self) -> None:
        """End what still runs; servers last, and without waiting for each other."""
        servers = {name: process for name, process in self.processes.items() if self.is_server(name)}
        self.processes = {name: process for name, process in self.processes.items() if name not in servers}
        super().stop()
        for process in servers.values():
            process.send_signal(signal.SIGKILL)
            process.wait()

    # asking

    def client(self, name: str, who: str = "operator", password: str | None = None) -> Redis:
        """Of one server, as one of its users."""
        given = password or passwords(self.secrets)[f"{who} at sentinels" if (who, name[0]) == ("hub", "s") else who]
        tls = {"ssl": True, "ssl_ca_certs": str(self.secrets / "ca.pem")} if self.is_tls_store else {}
        options: dict[str, Any] = {"username": who, "password": given, "protocol": 2, "driver_info": None, **tls}
        once = Retry(NoBackoff(), 0)
        return Redis(host=self.address(name), port=self.port(name), retry=once, socket_timeout=5, **options)

    def ask(self, name: str, *words: str) -> Any:
        """One command as the operator; the answer as it is, ``None`` where nobody answers."""
        with self.client(name) as client:
            client.response_callbacks.clear()
            try:
                return client.execute_command(*words)
            except RedisConnectionError:
                return None

    def role(self, name: str) -> list[Any]:
        """What a server says of itself, and of its copies or its primary."""
        return list(self.ask(name, "ROLE") or [b"gone"])

    def called(self, address: str) -> str:
        """The server of this address."""
        return next(name for name in self.servers if self.address(name) == address)


def passwords(secrets: Path) -> dict[str, str]:
    """What ``init.sh`` made for each of the store's users."""
    url = read_env(secrets / "hub-sentinel.env")["HUB_STORE_URL"]
    return {
        "health": "none",
        "hub": url.split(":")[2].partition("@")[0],
        "hub at sentinels": url.rpartition("=")[2],
        "operator": read_env(secrets / "operator.env")["REDISCLI_AUTH"],
        "replica": (secrets / "replicated" / "replication.conf").read_text().split()[-1],
        "sentinel": (secrets / "sentinel" / "sentinel.conf").read_text().split()[-1],
    }


def without_tls(text: str) -> str:
    """The same for a program that speaks none: its port is the one that TLS was to have."""
    kept = [re.sub(r"^tls-port ", "port ", line) for line in text.splitlines() if line != "port 0"]
    return "\n".join(line for line in kept if not line.startswith("tls-")) + "\n"


@contextmanager
def many_servers(over: str, *, is_tls: bool | None = None) -> Iterator[ManyServers]:
    """A site with nothing running yet; all is ended afterwards."""
    made = ManyServers(Path(tempfile.mkdtemp(prefix="hub-compose-")), over, is_tls=is_tls)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.folder, ignore_errors=True)


def is_answered_in_the_open(made: ManyServers, name: str) -> bool:
    """Whether somebody without TLS is told anything."""
    with socket.create_connection((made.address(name), made.port(name)), timeout=5) as plain:
        plain.sendall(b"PING\r\n")
        try:
            return plain.recv(100).startswith((b"+", b"-"))
        except ConnectionResetError:
            return False
