"""``hub doctor`` on what a node reaches over the network: identity providers, apps, the public URL."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.support.practice import SECRET, KeySet, Practice, provider_table
from tests.support.provider import Provider
from tests.support.tls import certificates

pytestmark = pytest.mark.contract


def test_providers_and_apps(practice: Practice, store_url: str) -> None:
    """A provider that is right, one spelled otherwise; an app that listens, one that does not."""
    with Provider() as provider, socket.socket() as app:
        app.bind(("127.0.0.1", 0))
        app.listen()
        apps = f'[apps.here]\nprefix = "/a"\nupstream = "http://127.0.0.1:{app.getsockname()[1]}"\n'
        apps += '[apps.gone]\nprefix = "/b"\nupstream = "http://127.0.0.1:9"\n'
        other = provider.issuer.replace("127.0.0.1", "localhost")
        practice.configure(store_url, provider_table(provider.issuer) + provider_table(other, "other") + apps)
        checks = practice.ask(1)
    assert {name: checks[name]["state"] for name in ("provider main", "provider other", "app here", "app gone")} == {
        "provider main": "ok", "provider other": "failed", "app here": "ok", "app gone": "failed",
    }  # fmt: skip
    assert "its issuer is not the configured one" in checks["provider other"]["found"]
    assert SECRET not in practice.said


@pytest.mark.parametrize(("keys", "state"), [([], "failed"), ([{"kty": "oct", "k": "AA"}], "failed"), (None, "failed")])
def test_a_providers_keys_have_to_be_usable(practice: Practice, store_url: str, keys: Any, state: str) -> None:
    """None in the set, none of a kind that is accepted, no set."""
    with KeySet({"keys": keys} if keys is not None else {}) as issuer:
        practice.configure(store_url, provider_table(issuer))
        checks = practice.ask(1)
    assert checks["provider main"]["state"] == state
    assert "no usable key" in checks["provider main"]["found"]


def test_a_private_authority_vouches_for_aprovider_table(
    practice: Practice, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``SSL_CERT_FILE``; without it the certificate is not accepted, and that is what is said."""
    made = certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.chain, made.key)
    with KeySet({"keys": []}, context) as issuer:
        practice.configure(store_url, provider_table(issuer))
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        assert "certificate not accepted" in practice.ask(1)["provider main"]["found"]
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        assert "no usable key" in practice.ask(1)["provider main"]["found"]
        monkeypatch.setenv("SSL_CERT_FILE", str(made.key))
        assert practice.ask(1)["SSL_CERT_FILE"]["state"] == "failed"
