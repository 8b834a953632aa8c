"""The code that apps copy (``deploy/apps/``): each language's accepts the hub's own tokens and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jose import jwt

from hub.store.keyring import KeyRing
from tests import binaries
from tests.support.answers import good
from tests.support.nodes import ROOT, Cluster, Node, sha256
from tests.support.tabs import Opened, as_user, bearer, log_in, merge

pytestmark = pytest.mark.edge

APPS = ROOT / "deploy" / "apps"
KEY = "a-verify-key"


def languages() -> list[str]:
    """Those whose code can be tried here; Go only where there is a compiler."""
    return ["python", "node", *(["go"] if shutil.which("go") else [])]


@pytest.fixture(scope="module", params=languages())
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """How the program of a language is started."""
    match request.param:
        case "python":
            return [sys.executable, str(APPS / "hub_session.py")]
        case "node":
            return [binaries.node(), str(APPS / "hub-session.mjs")]
        case _:
            made = tmp_path_factory.mktemp("go") / "check"
            subprocess.run(["go", "build", "-o", str(made), str(APPS / "hubsession.go")], check=True, timeout=120)
            return [str(made)]


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster) -> Node:
    hashes = {f"HUB_APPS__{name}__VERIFY_KEY_SHA256": sha256(KEY) for name in ("A", "B")}
    return hub_cluster.node("hub", port=None, **hashes)


async def context(node: Node, opened: Opened, app: str = "a") -> str:
    """A context token as the hub makes it for ``app``."""
    headers = {"X-Hub-Verify-Key": KEY, "Cookie": f"hub={opened.token}"}
    async with httpx.AsyncClient(base_url=node.url) as client:
        answer = await client.get(f"/auth/verify?app={app}", headers=headers)
    assert answer.status_code == 200
    return answer.headers["x-hub-session"]


def run(command: list[str], hub: str, token: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, hub, "a"], input=token, capture_output=True, text=True, timeout=60, check=False)


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forgeries(token: str, ring: KeyRing, node: Node) -> dict[str, str]:
    """Tokens that are nearly right."""
    header, payload, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(header + "=="))
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    pem, kid = ring.context.active.secret.decode(), ring.context.active.kid
    public = json.dumps(httpx.get(f"{node.url}/.well-known/jwks.json").json()["keys"][0])

    def signed(more: dict[str, Any] = {}, key: str = pem, **headers: Any) -> str:  # noqa: B006
        named = {"typ": "hub-session+jwt", "kid": kid, **headers}
        return str(jwt.encode(claims | more, key, algorithm="ES256", headers=named))

    def by_secret(alg: str, secret: bytes) -> str:
        start = f"{segment(said | {'alg': alg})}.{payload}"
        return f"{start}.{segment(hmac.digest(secret, start.encode(), hashlib.sha256))}"

    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "nothing": "",
        "words": "a.b.c",
        "two parts": f"{header}.{payload}",
        "no signature": f"{header}.{payload}.",
        "another payload": f"{header}.{segment(claims | {'sub': 'root'})}.{signature}",
        "alg none": f"{segment(said | {'alg': 'none'})}.{payload}.",
        "alg HS256 with the public key": by_secret("HS256", public.encode()),
        "HS256 called ES256": by_secret("ES256", public.encode()),
        "crit": signed(crit=["exp"]),
        "another typ": signed(typ="JWT"),
        "an unknown kid": signed(kid="unknown"),
        "somebody else's key": signed(key=other.decode()),
        "another hub": signed({"iss": "https://other.example"}),
        "another app": signed({"aud": "b"}),
        "expired": signed({"exp": int(time.time()) - 30}),
        "not an object": f"{segment([1])}.{payload}.{signature}",
    }


@pytest.mark.timeout(180)
async def test_the_code_for_apps_takes_the_hubs_tokens_and_no_others(
    hub_cluster: Cluster, place: Node, command: list[str]
) -> None:
    """Claims of a good token; a refusal, and never a crash, for every forgery."""
    opened = await log_in(hub_cluster, place)
    token = await context(place, opened)
    made = run(command, place.url, token)
    assert made.returncode == 0, made.stderr
    said = json.loads(made.stdout)
    assert (said["sub"], said["sid"], said["aud"], said["pos"]) == ("ada", opened.sid, "a", opened.position)
    assert said["grants"] == {"profile": "write", "cart": "read"}
    assert run(command, place.url, await context(place, opened, "b")).returncode == 1
    for name, forged in forgeries(token, KeyRing.load(hub_cluster.ring), place).items():
        refused = run(command, place.url, forged)
        assert refused.returncode == 1, name
        assert refused.stderr.startswith("refused: "), (name, refused.stderr)
        assert "Traceback" not in refused.stderr


async def test_an_app_follows_its_session_in_both_ways(hub_cluster: Cluster, place: Node) -> None:
    """With its context token: a stream with every change and the end, and the changes since a position."""
    opened = await log_in(hub_cluster, place)
    token = await context(place, opened)
    async with (
        httpx.AsyncClient(base_url=place.url, headers=bearer(token)) as app,
        as_user(place, opened) as user,
        app.stream("GET", "/v1/sessions/me/events") as stream,
    ):
        lines = stream.aiter_lines()
        assert [await event(lines), await event(lines)] == ["snapshot", "live"]
        done = good(await merge(user, "me", {"profile": {"x": 1}}))
        assert await event(lines) == "change"
        since = good(await app.get(f"/v1/sessions/me/changes?since={opened.position}"))
        assert [each["position"] for each in since["changes"]] == [done["position"]]
        good(await user.delete("/v1/sessions/me"), 204)
        assert await event(lines) == "ended"


async def event(lines: Any) -> str:
    async for line in lines:
        if line.startswith("event: "):
            return str(line.removeprefix("event: "))
    raise AssertionError("the stream ended")


def test_every_file_for_apps_is_in_the_guide() -> None:
    """And the guide names no other."""
    guide = (APPS / "README.md").read_text()
    for file in filter(Path.is_file, APPS.iterdir()):
        assert file.name == "README.md" or f"`{file.name}`" in guide
