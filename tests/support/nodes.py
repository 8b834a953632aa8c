"""Hub nodes as users run them: processes of ``hub serve``, with a store that outlives any of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

import httpx

from hub.store.keyring import KeyRing
from tests.support.ports import free_port
from tests.support.provider import Provider
from tests.support.stores import test_store
from tests.support.tls import Certificates
from tests.support.waiting import becomes

ROOT = Path(__file__).parents[2]
START_SECONDS = 20.0
SERVICE_KEY = "hub_sk_billing_a-secret-of-the-tests"
READER_KEY = "hub_sk_reader_another-secret-of-the-tests"

CONFIGURATION = """
data_dir = "{data}"
log_level = "warning"
allowed_origins = ["http://page.test"]
[session]
connections = 8
per_user = 100000
[limits]
failures_per_minute = 0
commits_per_second = 0
messages_per_second = 1000
[identity_providers.main]
issuer = "{issuer}"
client_id = "hub"
client_secret = "not used here"
claims = {{ name = "name", email = "email", roles = "groups" }}
operator_claim = "roles"
operator_value = "operators"
[sections.profile]
browser = "write"
initial = {{}}
[sections.preferences]
browser = "write"
schema = "preferences.json"
[sections.cart]
browser = "write"
max_bytes = 4096
[sections.secret]
[sections.shown]
browser = "read"
[apps.a]
prefix = "/apps/a"
upstream = "http://127.0.0.1:9"
sections = {{ profile = "write", cart = "read" }}
[apps.b]
prefix = "/apps/b"
upstream = "http://127.0.0.1:9"
sections = {{ cart = "write" }}
[services.billing]
key_sha256 = "{billing}"
sections = {{ profile = "write", cart = "write", secret = "write", shown = "write", preferences = "write" }}
may_list = true
may_end = true
[services.reader]
key_sha256 = "{reader}"
sections = {{ profile = "read" }}
"""

PREFERENCES = """
{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
 "properties": {"theme": {"enum": ["light", "dark"]}, "size": {"type": "integer", "minimum": 1}},
 "additionalProperties": false}
"""


def sha256(text: str) -> str:
    """Hex digest, as the configuration wants keys."""
    return hashlib.sha256(text.encode()).hexdigest()


class NodeFailed(AssertionError):
    """A node did not start, so nothing was found out about it."""


class Node:
    """One ``hub serve``."""

    def __init__(self, process: subprocess.Popen[str], port: int, tls: Certificates | None = None) -> None:
        self.process, self.port = process, port
        secure = "s" if tls else ""
        self.url, self.ws_url = f"http{secure}://127.0.0.1:{port}", f"ws{secure}://127.0.0.1:{port}"
        self.verify: ssl.SSLContext | bool = tls.trust if tls else False  # plain http has nothing to verify

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class Cluster:
    """A store, a token issuer, and nodes on demand."""

    def __init__(self, provider: Provider, more: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hub-test-"))
        self.provider, self._nodes, self._files = provider, list[Node](), list[IO[str]]()
        text = CONFIGURATION.format(
            data=self.folder / "data",
            issuer=provider.issuer,
            billing=sha256(SERVICE_KEY),
            reader=sha256(READER_KEY),
        )
        (self.folder / "hub.toml").write_text(more + text)
        (self.folder / "preferences.json").write_text(PREFERENCES)
        self.store = test_store(self.folder)
        self.store_url = self._own_url = self.store.start()
        self.ring = self.folder / "keys.toml"
        KeyRing.create(self.ring)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        for node in self._nodes:
            if node.process.poll() is None:
                node.kill()
        self.store.close()
        for file in self._files:
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url_for_hubs(self) -> str:
        """Where nodes find the store; ``store_url`` is where tests do, who may set that to another."""
        return self.store.url_for_hubs(self.store_url) if self.store_url == self._own_url else self.store_url

    def node(self, module: str = "hub", *, port: int | None = None, **environment: str) -> Node:
        """Start one more node and wait until it is ready; ``module`` is what ``python -m`` runs."""
        return self._start(module, port or free_port(), environment)

    def node_of_workers(self, workers: int, environment: dict[str, str]) -> Node:
        """The same, of several processes on one port."""
        return self._start("hub", free_port(), environment, workers=workers)

    def node_over_https(self, certificates: Certificates, **environment: str) -> Node:
        """The same, with a certificate of its own."""
        return self._start("hub", free_port(), environment, certificates)

    def _start(
        self,
        module: str,
        port: int,
        environment: dict[str, str],
        certificates: Certificates | None = None,
        workers: int = 1,
    ) -> Node:
        settings = {
            "HUB_STORE_URL": self.url_for_hubs,
            "HUB_KEYS__FILE": str(self.ring),
            "HUB_PUBLIC_URL": f"{'https' if certificates else 'http'}://127.0.0.1:{port}",
            **environment,
        }
        command = [sys.executable, "-m", module, "serve", "--bind", f"127.0.0.1:{port}", "--workers", str(workers)]
        process = subprocess.Popen(
            [*command, "--config", str(self.folder / "hub.toml"), *(certificates.options if certificates else ())],
            stdout=subprocess.DEVNULL,
            stderr=self._log_file(port),
            text=True,
            env=clean_environment() | settings,
            cwd=ROOT,
        )
        node = Node(process, port, certificates)
        self._nodes.append(node)
        wait_until_ready(node)
        return node

    def _log_file(self, port: int) -> IO[str]:
        file = (self.folder / f"node-{port}.log").open("w")
        self._files.append(file)
        return file

    def log(self, node: Node) -> str:
        """What a node wrote to standard error."""
        return (self.folder / f"node-{node.port}.log").read_text()


def clean_environment() -> dict[str, str]:
    """The environment without settings of a hub; metrics have a port only where a test asks for one."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HUB_")} | {
        "PYTHONPATH": str(ROOT),
        "HUB_METRICS_BIND": "",
    }


def wait_until_ready(node: Node) -> None:
    """Until ``/readyz`` says 200, or a clear failure."""

    def is_ready() -> bool:
        if node.process.poll() is not None:
            raise NodeFailed(f"the node stopped with {node.process.returncode}")
        try:
            return httpx.get(f"{node.url}/readyz", timeout=1, verify=node.verify).status_code == 200
        except httpx.TransportError:
            return False

    if not becomes(is_ready, START_SECONDS):
        raise NodeFailed("the node is not ready")


@contextmanager
def cluster(more: str = "") -> Iterator[Cluster]:
    """A cluster with an issuer of its own. ``more`` goes first into ``hub.toml``."""
    with Provider() as provider, Cluster(provider, more) as made:
        yield made
