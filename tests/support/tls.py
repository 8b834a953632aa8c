"""Certificates for this machine's own names, signed by an authority that only the tests trust."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

NAMES = ("127.0.0.1", "::1", "localhost", "*.localhost")


@dataclass(frozen=True)
class Certificates:
    """What a server shows (PEM files), and what its clients trust."""

    chain: Path
    key: Path
    authority: Path
    trust: ssl.SSLContext

    @property
    def options(self) -> tuple[str, ...]:
        """For ``hub serve``."""
        return "--ssl-certfile", str(self.chain), "--ssl-keyfile", str(self.key)


def certificates(folder: Path, *names: str) -> Certificates:
    """New ones, for this machine or for ``names``; the files lie in ``folder``."""
    authority = trustme.CA()
    made = authority.issue_cert(*(names or NAMES))
    chain, key, root = folder / "chain.pem", folder / "key.pem", folder / "authority.pem"
    for place, pem in enumerate(made.cert_chain_pems):
        pem.write_to_path(str(chain), append=place > 0)
    made.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(root))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return Certificates(chain, key, root, trust)
