"""TLS: the hub serves https and wss itself, and does not start where a secret would travel in the clear."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.security.places import Place, secure_place
from tests.support.answers import good
from tests.support.log_ins import begin
from tests.support.nodes import ROOT, Cluster, clean_environment
from tests.support.tabs import MERGE, open_with

pytestmark = pytest.mark.edge

CONFIGURATION = """
data_dir = "data"
public_url = "https://hub.example.com"
store_url = "embedded"
[keys]
file = "keys.toml"
"""
PLAINTEXT = {
    "a public URL": ({"HUB_PUBLIC_URL": "http://hub.example.com"}, "public_url"),
    "a public URL with an address": ({"HUB_PUBLIC_URL": "http://10.0.0.7:8000"}, "public_url"),
    "a console URL": ({"HUB_CONSOLE_URL": "http://console.example.com"}, "console_url"),
    "an origin that looks local": ({"HUB_PUBLIC_URL": "http://localhost.example.com"}, "public_url"),
    "a store": ({"HUB_STORE_URL": "redis://store.example.com:6379"}, "store_url"),
    "a store with a password": ({"HUB_STORE_URL": "redis://:s3cret@10.0.0.7/0"}, "store_url"),
    "a store that looks local": ({"HUB_STORE_URL": "redis://127.0.0.1.example.com"}, "store_url"),
    "one of several stores": ({"HUB_STORE_URL": "redis+sentinel://127.0.0.1,10.0.0.7/main"}, "store_url"),
    "a store without checks": ({"HUB_STORE_URL": "rediss://a.example?ssl_cert_reqs=none"}, "store_url"),
    "a provider": (
        {
            "HUB_IDENTITY_PROVIDERS__MAIN__ISSUER": "http://id.example.com",
            "HUB_IDENTITY_PROVIDERS__MAIN__CLIENT_ID": "x",
        },
        "identity_providers.main.issuer",
    ),
}


@pytest.fixture(scope="module")
def place(hub_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A hub with a certificate."""
    with secure_place(hub_cluster, tmp_path_factory.mktemp("certificates")) as place:
        yield place


async def test_the_hub_serves_https_and_wss(place: Place) -> None:
    """A log-in, and a live tab by its cookie that hears a commit."""
    async with place.browser() as browser:
        token = await place.log_in(browser)
        page = {"Cookie": f"__Host-hub={token}", "Origin": place.node.url}
        async with await open_with(place.node, page) as tab:
            await tab.until_live()
            headers = place.from_a_page(**{"Content-Type": MERGE})
            said = good(await browser.patch("/v1/sessions/me/document", content=b'{"cart":{"x":1}}', headers=headers))
            await tab.until(lambda tab: tab.position == said["position"])
            assert tab.document["cart"] == {"x": 1}


async def test_a_plain_request_gets_nothing_there(place: Place) -> None:
    """Neither an answer nor a redirect that somebody in between could change."""
    async with httpx.AsyncClient(base_url=place.node.url.replace("https:", "http:")) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("/healthz")


async def test_old_protocols_are_refused(place: Place) -> None:
    """TLS 1.2 is spoken, 1.1 is not."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    trust.set_ciphers("ALL:@SECLEVEL=0")
    trust.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    _, writer = await asyncio.open_connection("127.0.0.1", place.node.port, ssl=trust)
    writer.close()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        trust.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", place.node.port, ssl=trust)


async def test_over_https_everything_is_said_to_be_https(place: Place) -> None:
    """The return address of a log-in, and the names of its cookies."""
    async with place.browser() as browser:
        asked = await begin(browser)
        assert asked["redirect_uri"] == f"{place.node.url}/auth/callback"
        assert all(name.startswith("__Host-hub_tx_") for name in browser.cookies)


@pytest.mark.parametrize("what", PLAINTEXT)
def test_the_hub_does_not_start_where_secrets_would_travel_in_the_clear(what: str, tmp_path: Path) -> None:
    """One clear line that names the key and repeats no secret; exit code 2."""
    settings, key = PLAINTEXT[what]
    (tmp_path / "hub.toml").write_text(CONFIGURATION)
    done = subprocess.run(
        [sys.executable, "-m", "hub", "serve", "--bind", "127.0.0.1:0", "--config", str(tmp_path / "hub.toml")],
        env=clean_environment() | settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, lines
    assert key in lines[0]
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr + done.stdout
