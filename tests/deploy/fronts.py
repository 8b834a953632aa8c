"""The proxies of ``deploy/``, started for real from the files that are there, with a hub, a provider and an app behind.

What differs between them is in one ``Front`` each: how it is started. Everything it serves comes from its own file.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import string
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import trustme

from tests.support.echo import EchoApp
from tests.support.nodes import ROOT, Cluster, Node, clean_environment, cluster, sha256
from tests.support.ports import free_port, is_open
from tests.support.waiting import becomes

DEPLOY = ROOT / "deploy"
VERIFY_KEY = "a-verify-key-for-deployments"
SECRET = "a-secret-of-the-deployment"
START_SECONDS = 20.0


@dataclass(frozen=True)
class Places:
    """Where everything is, and what the files ask of their environment."""

    folder: Path
    port: int
    variables: Mapping[str, str]


def nginx(places: Places) -> list[str]:
    """A configuration around the template, filled in as the official image does it."""
    template = (DEPLOY / "nginx" / "hub.conf.template").read_text()
    filled = string.Template(re.sub(r"\$(?!\{HUB_|\{APP_)", "$$", template)).substitute(places.variables)
    (places.folder / "hub.conf").write_text(filled)
    (places.folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {places.folder}/nginx.pid; error_log stderr warn;\n"
        "events { worker_connections 512; }\n"
        f"http {{ access_log off; client_body_temp_path {places.folder}/body; proxy_temp_path {places.folder}/proxy;"
        f" fastcgi_temp_path {places.folder}/f; uwsgi_temp_path {places.folder}/u; scgi_temp_path {places.folder}/s;\n"
        f"include {places.folder}/hub.conf; }}\n"
    )
    return ["nginx", "-c", str(places.folder / "nginx.conf"), "-p", str(places.folder)]


def caddy(places: Places) -> list[str]:
    """The file as it is; everything comes from the environment."""
    return ["caddy", "run", "--config", str(DEPLOY / "caddy" / "Caddyfile"), "--adapter", "caddyfile"]


def haproxy(places: Places) -> list[str]:
    """The file as it is; everything comes from the environment."""
    return ["haproxy", "-db", "-f", str(DEPLOY / "haproxy" / "haproxy.cfg")]


FRONTS: Mapping[str, Callable[[Places], list[str]]] = {"nginx": nginx, "caddy": caddy, "haproxy": haproxy}


class Site:
    """A browser's view of one deployment: cookies kept, redirects followed one at a time."""

    def __init__(self, url: str, hub: Cluster, nodes: list[Node], authority: ssl.SSLContext) -> None:
        self.url, self.hub, self.nodes, self.authority = url, hub, nodes, authority
        self.client = httpx.Client(base_url=url, verify=authority, timeout=10)

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def navigate(self, target: str, **headers: str) -> httpx.Response:
        """One request as a browser makes it when a person goes somewhere."""
        return self.client.get(target, headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", **headers})

    def call(self, target: str, method: str = "GET", **more: Any) -> httpx.Response:
        """One request as a script of the app's page makes it."""
        proofs = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Origin": self.url}
        return self.client.request(method, target, headers=proofs | more.pop("headers", {}), **more)

    def sign_in(self, target: str, person: str = "ada") -> httpx.Response:
        """From an anonymous navigation over log-in at the provider back to where one wanted to go."""
        answer = self.navigate(target)
        for _ in range(8):
            if answer.status_code not in (302, 303):
                break
            answer = self.navigate(str(httpx.URL(str(answer.request.url)).join(answer.headers["location"])))
            found = re.search(r'name="transaction" value="([^"]+)"', answer.text)
            if found:
                parts = urlsplit(str(answer.request.url))
                chosen = {"transaction": found[1], "person": person}
                answer = self.client.post(f"{parts.scheme}://{parts.netloc}/authorize/choice", data=chosen)
        return answer

    @property
    def token(self) -> str | None:
        return self.client.cookies.get("__Host-hub")


@contextmanager
def site(front: str) -> Iterator[Site]:
    """Store, provider, app, two nodes and the proxy; torn down in reverse."""
    port, idp_port = free_port(), free_port()
    url = f"https://localhost:{port}"
    with EchoApp() as app, _provider(idp_port, url), cluster() as hub:
        nodes = [hub.node("hub", port=None, **_settings(url, idp_port)) for _ in range(2)]
        folder = Path(tempfile.mkdtemp(prefix="hub-deploy-"))
        places = Places(folder, port, _variables(folder, port, app.url, nodes))
        process = subprocess.Popen(
            FRONTS[front](places),
            env=_environment(places),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            authority = ssl.create_default_context(cafile=str(folder / "authority.pem"))
            _wait_until_open(port, process)
            with Site(url, hub, nodes, authority) as made:
                yield made
        finally:
            process.terminate()
            process.communicate(timeout=20)
            shutil.rmtree(folder, ignore_errors=True)


def _settings(url: str, idp_port: int) -> dict[str, str]:
    return {
        "HUB_PUBLIC_URL": url,
        "HUB_TRUSTED_PROXIES": "127.0.0.1",
        "HUB_APPS__A__VERIFY_KEY_SHA256": sha256(VERIFY_KEY),
        "HUB_IDENTITY_PROVIDERS__MAIN__ISSUER": f"http://127.0.0.1:{idp_port}",
        "HUB_IDENTITY_PROVIDERS__MAIN__CLIENT_SECRET": SECRET,
    }


def _variables(folder: Path, port: int, app_url: str, nodes: list[Node]) -> dict[str, str]:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(folder / "chain.pem"), append=True)
    shutil.copytree(DEPLOY / "pages", folder / "pages")
    folder.chmod(0o755)
    return {
        "HUB_HOST": "localhost",
        "HUB_LISTEN": f"127.0.0.1:{port}",
        "HUB_ADDRESS": f"127.0.0.1:{nodes[0].port}",
        "HUB_ADDRESS_2": f"127.0.0.1:{nodes[1].port}",
        "APP_ADDRESS": urlsplit(app_url).netloc,
        "HUB_VERIFY_KEY": VERIFY_KEY,
        "HUB_CERTIFICATE": str(folder / "chain.pem"),
        "HUB_CERTIFICATE_KEY": str(folder / "key.pem"),
        "HUB_PAGES": str(folder / "pages"),
    }


def _environment(places: Places) -> dict[str, str]:
    folder, port = places.folder, places.port
    own = {
        "HUB_SITE": f"https://localhost:{port}",
        "CADDY_SITE": f"tls {folder}/chain.pem {folder}/key.pem",
        "CADDY_GLOBAL": "auto_https disable_redirects",
        "HUB_BIND": f"127.0.0.1:{port}",
        "HUB_DEPLOY": str(DEPLOY),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    as_haproxy_wants = {"HUB_HOST": f"localhost:{port}", "HUB_CERTIFICATE": str(folder / "both.pem")}
    return {**os.environ, **places.variables, **own, **as_haproxy_wants}


@contextmanager
def _provider(port: int, url: str) -> Iterator[None]:
    command = [sys.executable, str(ROOT / "demo_apps" / "idp" / "server.py"), "--port", str(port)]
    command += ["--redirect-uri", f"{url}/auth/callback", "--post-logout-uri", f"{url}/auth/signed-out"]
    environment = clean_environment() | {"DEMO_IDP_SECRET": SECRET}
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_open(port, process)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    def listens() -> bool:
        if process.poll() is not None:
            said = process.stderr.read().decode() if process.stderr else ""
            raise AssertionError(f"it stopped with {process.returncode}: {said[-2000:]}")
        return is_open(port)

    assert becomes(listens, START_SECONDS), "it does not listen"
