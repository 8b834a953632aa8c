"""An issuer of tokens for bearer log-ins: real discovery and keys over real HTTP, any claims one likes.

Log-ins by a person go through the demo provider instead; this one exists to sign what no honest provider would.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jose import jwk, jwt

KID = "test-key"


class Provider:
    """Started by ``with``; signs with one ES256 key."""

    def __init__(self) -> None:
        private = ec.generate_private_key(ec.SECP256R1())
        self._pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = jwk.construct(self._pem, "ES256").public_key().to_dict()
        self._codes: dict[str, str] = {}
        self._keys = {"keys": [{**public, "kid": KID, "use": "sig", "alg": "ES256"}]}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Provider:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, user: str = "ada", **claims: Any) -> str:
        """A fresh token for ``user``; ``claims`` add or replace."""
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": "hub",
            "sub": user,
            "iat": now,
            "exp": now + 300,
            "jti": uuid.uuid4().hex,
            "name": user.capitalize(),
            "email": f"{user}@example.com",
        }
        return str(jwt.encode(said | claims, self._pem, algorithm="ES256", headers={"kid": KID}))

    def code(self, user: str = "ada", **claims: Any) -> str:
        """What the token endpoint takes once, for an ID token with these claims (``nonce`` among them)."""
        code = uuid.uuid4().hex
        self._codes[code] = self.token(user, **claims)
        return code

    def logout_token(self, **claims: Any) -> str:
        """A logout token (OpenID Connect Back-Channel Logout 1.0 §2.4); ``None`` removes a claim."""
        now = int(time.time())
        said: dict[str, Any] = {
            "iss": self.issuer,
            "aud": "hub",
            "iat": now,
            "exp": now + 120,
            "jti": uuid.uuid4().hex,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        said = {name: value for name, value in (said | claims).items() if value is not None}
        headers = {"kid": KID, "typ": "logout+jwt"}
        return str(jwt.encode(said, self._pem, algorithm="ES256", headers=headers))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                metadata = {
                    "issuer": provider.issuer,
                    "authorization_endpoint": f"{provider.issuer}/authorize",
                    "token_endpoint": f"{provider.issuer}/token",
                    "jwks_uri": f"{provider.issuer}/jwks",
                }
                body = json.dumps(provider._keys if self.path == "/jwks" else metadata).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                id_token = provider._codes.pop(form.get("code", [""])[0], None)
                said = (
                    {"error": "invalid_grant"} if id_token is None else {"id_token": id_token, "token_type": "Bearer"}
                )
                body = json.dumps(said).encode()
                self.send_response(400 if id_token is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler
