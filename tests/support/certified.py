"""The certified provider of ``tests/idp`` as a process, and people who log in there without a screen."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import select
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from playwright.async_api import Page

from tests import binaries
from tests.support.nodes import Cluster, Node
from tests.support.ports import free_port

SERVER = Path(__file__).parents[1] / "idp" / "server.mjs"
START_SECONDS = 20
SECRET = "the secret of a client that is only known to tests"
PASSWORD = "a password of the tests"
RESOURCE = "urn:hub:sessions"
BACK = "http://127.0.0.1/back"


class Certified:
    """The provider. ``doors`` are the origins of the hub's nodes; the first of them takes back-channel calls."""

    def __init__(self, folder: Path, doors: Sequence[str]) -> None:
        self._settings = {
            "port": free_port(),
            "keys": str(folder / "keys.json"),
            "doors": doors,
            "backchannel": f"{doors[0]}/auth/backchannel",
            "secret": SECRET,
        }
        self.issuer = f"http://localhost:{self._settings['port']}"
        self._errors = (folder / "provider.log").open("a+")
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Begin, or begin again after ``kill``: same address, same keys, nobody signed in."""
        binaries.provider_packages()
        command = [binaries.node(binaries.OLDEST_NODE_OF_THE_PROVIDER), str(SERVER), json.dumps(self._settings)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        assert self._said() == {"issuer": self.issuer}

    def kill(self) -> None:
        """``kill -9``: nobody listens there any more."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        """For good."""
        self.kill()
        self._errors.close()

    def rotate(self) -> list[str]:
        """Sign with a new key from now on; the names of all keys that are listed, the new one first."""
        return list(self._order("rotate")["kids"])

    def drop_old_keys(self) -> list[str]:
        """List the key that signs, and no other."""
        return list(self._order("drop_old_keys")["kids"])

    def name_sessions(self, value: bool) -> None:
        """Whether logout tokens say which session is over, or only whose."""
        self._order("name_sessions", value=value)

    def calls(self) -> list[dict[str, Any]]:
        """The back-channel calls so far: ``at`` (seconds since the epoch), ``ok``, and ``why`` one failed."""
        return list(self._order("calls")["calls"])

    def _order(self, do: str, **more: Any) -> dict[str, Any]:
        stdin = self._running.stdin
        assert stdin is not None
        stdin.write(json.dumps({"do": do, **more}) + "\n")
        stdin.flush()
        return self._said()

    def _said(self) -> dict[str, Any]:
        stdout: IO[str] | None = self._running.stdout
        assert stdout is not None
        ready, _, _ = select.select([stdout], [], [], START_SECONDS)
        line = stdout.readline() if ready else ""
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"the provider does not answer:\n{self._errors.read()[-2000:]}")
        said: dict[str, Any] = json.loads(line)
        return said

    @property
    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the provider is down"
        return self._process


@contextmanager
def certified(doors: Sequence[str]) -> Iterator[Certified]:
    """A provider that knows a hub with these doors."""
    with tempfile.TemporaryDirectory(prefix="hub-idp-") as name:
        provider = Certified(Path(name), doors)
        try:
            provider.start()
            yield provider
        finally:
            provider.close()


class World:
    """A provider and nodes of a cluster that log in there. ``module`` is what ``python -m`` runs for a node."""

    def __init__(self, cluster: Cluster, provider: Certified, ports: Sequence[int]) -> None:
        self.cluster, self.provider = cluster, provider
        self._ports = list(ports)

    def node(self, module: str = "hub", **more: str) -> Node:
        """One more of the nodes that the provider knows."""
        settings = {
            "HUB_IDENTITY_PROVIDERS__MAIN__ISSUER": self.provider.issuer,
            "HUB_IDENTITY_PROVIDERS__MAIN__CLIENT_SECRET": SECRET,
            "HUB_LIMITS__LOGINS_PER_MINUTE": "0",  # some tests ask until it works
        }
        return self.cluster.node(module, port=self._ports.pop(0), **(settings | more))


@contextmanager
def world(cluster: Cluster, nodes: int) -> Iterator[World]:
    """A provider of its own, and room for this many nodes; the first one takes back-channel calls."""
    ports = [free_port() for _ in range(nodes)]
    with certified([f"http://127.0.0.1:{port}" for port in ports]) as provider:
        yield World(cluster, provider, ports)


async def type_password(page: Page, login: str) -> None:
    """On the provider's log-in page, which is where the page of a real browser must be."""
    await page.get_by_label("Name").fill(login)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


class Person:
    """Somebody with a browser of their own: cookies are kept, redirects followed, the provider's forms filled in."""

    def __init__(self, login: str = "ada") -> None:
        self.login = login
        self.http = httpx.AsyncClient(timeout=10)
        self.asked_for_password = 0

    async def __aenter__(self) -> Person:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def sign_in(self, node: Node, return_to: str = "/v1/sessions/me") -> httpx.Response:
        """From the hub to the provider and back: where one ends up."""
        return await self.follow(await self.http.get(f"{node.url}/auth/login", params={"return_to": return_to}))

    async def follow(self, answer: httpx.Response, until: str = "\n") -> httpx.Response:
        """Go wherever the answer leads, and log in when asked; stop before an address that begins with ``until``."""
        while True:
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["Location"])
                if target.startswith(until):
                    return answer
                answer = await self.http.get(target)
            elif 'name="password"' in answer.text:
                self.asked_for_password += 1
                form = {"login": self.login, "password": PASSWORD}
                answer = await self.http.post(self._action(answer), data=form)
            else:
                return answer

    async def sign_out_at_hub(self, node: Node) -> httpx.Response:
        """With the button on the hub's page: where that leads, at the provider or here."""
        shown = await self.http.get(f"{node.url}/auth/signed-out")
        proof = re.search(r'name="csrf" value="([^"]+)"', shown.text)
        assert proof is not None, shown.text
        headers = {"Origin": node.url}
        out = await self.http.post(f"{node.url}/auth/logout", data={"csrf": proof[1]}, headers=headers)
        return await self.follow(out)

    async def sign_out_at(self, provider: Certified) -> httpx.Response:
        """At the provider's own page, with ``Yes``."""
        asked = await self.http.get(f"{provider.issuer}/session/end")
        return await self.confirm(asked)

    async def confirm(self, asked: httpx.Response) -> httpx.Response:
        """Yes, sign me out; and go on to where that leads."""
        proof = re.search(r'name="xsrf" value="([^"]+)"', asked.text)
        assert proof is not None, asked.text
        form = {"xsrf": proof[1], "logout": "yes"}
        return await self.follow(await self.http.post(self._action(asked), data=form))

    async def token(self, provider: Certified) -> str:
        """A fresh access token for the hub, as a native client gets it (RFC 8252, RFC 7636)."""
        verifier = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": "native",
            "redirect_uri": BACK,
            "scope": "openid profile",
            "resource": RESOURCE,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        back = await self.follow(await self.http.get(f"{provider.issuer}/auth", params=asked), until=BACK)
        code = parse_qs(urlsplit(back.headers["Location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "client_id": "native", "redirect_uri": BACK, "code": code}
        answer = await self.http.post(f"{provider.issuer}/token", data={**form, "code_verifier": verifier})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    @staticmethod
    def _action(answer: httpx.Response) -> str:
        action = re.search(r'action="([^"]+)"', answer.text)
        assert action is not None, answer.text
        return str(answer.url.join(action[1]))
