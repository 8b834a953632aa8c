"""Check the hub's context token (header X-Hub-Session). Copy this file into an app; it needs ``cryptography`` only."""

from __future__ import annotations

import base64
import json
import sys
import time
import urllib.request
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

KEPT_SECONDS = 600
LEEWAY_SECONDS = 5


class NotFromTheHub(Exception):
    """The token is missing, forged, too old, or for another app: answer 401."""


class HubSession:
    """Made once per app: ``hub`` is the hub's public URL, ``app`` this app's name in its configuration."""

    def __init__(self, hub: str, app: str, jwks_url: str = "") -> None:
        self._issuer, self._app = hub, app
        self._jwks_url = jwks_url or f"{hub}/.well-known/jwks.json"
        self._keys: dict[str, dict[str, str]] = {}
        self._read_at = 0.0

    def check(self, token: str | None) -> dict[str, Any]:
        """The claims: sub, sid, pos, grants, maybe document. Raises ``NotFromTheHub``."""
        try:
            header, payload, signature = (token or "").split(".")
            said = json.loads(_bytes(header))
            if said.get("alg") != "ES256" or said.get("typ") != "hub-session+jwt" or "crit" in said:
                raise NotFromTheHub("not a context token")
            self._verify(said["kid"], f"{header}.{payload}".encode(), _bytes(signature))
            claims: dict[str, Any] = json.loads(_bytes(payload))
            if (claims["iss"], claims["aud"]) != (self._issuer, self._app):
                raise NotFromTheHub("for another app, or of another hub")
            if claims["exp"] + LEEWAY_SECONDS < time.time():
                raise NotFromTheHub("too old")
        except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature) as error:
            raise NotFromTheHub("not a context token") from error
        return claims

    def _verify(self, kid: str, signed: bytes, signature: bytes) -> None:
        if len(signature) != 64:
            raise NotFromTheHub("not an ES256 signature")
        key = self._key(kid)
        x, y = (int.from_bytes(_bytes(key[name]), "big") for name in ("x", "y"))
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        public = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
        public.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))

    def _key(self, kid: str) -> dict[str, str]:
        age = time.monotonic() - self._read_at
        if not self._keys or age > KEPT_SECONDS or (kid not in self._keys and age > 1):
            with urllib.request.urlopen(self._jwks_url, timeout=5) as answer:
                self._keys = {key["kid"]: key for key in json.load(answer)["keys"]}
            self._read_at = time.monotonic()
        return self._keys[kid]


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


if __name__ == "__main__":  # python hub_session.py HUB APP < token
    try:
        print(json.dumps(HubSession(*sys.argv[1:4]).check(sys.stdin.read().strip())))
    except NotFromTheHub as refusal:
        sys.exit(f"refused: {refusal}")
