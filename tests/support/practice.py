"""A machine for ``hub doctor`` to look at: a configuration, a key ring, and whoever it says is there."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main
from hub.store.keyring import KeyRing

SECRET = "canary-of-a-secret"


class Practice:
    """A machine with a configuration; ``ask`` runs the doctor there."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.said = ""
        KeyRing.create(folder / "ring.toml")

    def configure(self, store_url: str, more: str = "") -> None:
        """Write ``hub.toml``."""
        top = f'store_url = "{store_url}"\nbind = "127.0.0.1:0"\nlimits.connections = 100\n'
        keys = "" if store_url == "embedded" else '[keys]\nfile = "ring.toml"\n'
        (self.folder / "hub.toml").write_text(f"{top}{more}\n{keys}")

    def ask(self, code: int) -> dict[str, dict[str, str]]:
        """Its findings by name, after it ended with this exit code."""
        assert main(["doctor", "--config", str(self.folder / "hub.toml"), "--json"]) == code
        out, err = self._capsys.readouterr()
        self.said = out + err
        said = json.loads(out)
        assert said["state"] == ("failed" if code else said["state"])
        assert all(each["to_do"] for each in said["checks"] if each["state"] != "ok"), "what is wrong, and no way out"
        return {each["check"]: each for each in said["checks"]}


def provider_table(issuer: str, name: str = "main") -> str:
    return f'[identity_providers.{name}]\nissuer = "{issuer}"\nclient_id = "hub"\nclient_secret = "{SECRET}"\n'


class KeySet:
    """A provider that publishes just this key set."""

    def __init__(self, key_set: Any, tls: ssl.SSLContext | None = None) -> None:
        self._server = HTTPServer(("127.0.0.1", 0), self._handler(key_set))
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.issuer = f"{self._scheme}://127.0.0.1:{self._server.server_port}"
        return self.issuer

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self, key_set: Any) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                about = {"issuer": outer.issuer, "jwks_uri": f"{outer.issuer}/keys"}
                body = json.dumps(key_set if self.path == "/keys" else about).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler
