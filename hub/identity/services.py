"""Services: programs that show a key of their own, ``hub_sk_<name>_<secret>``. Only its SHA-256 is configured."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hub.core.access import Grants

PREFIX = "hub_sk_"
_KEY = re.compile(r"hub_sk_([A-Za-z0-9.-]{1,64})_([!-~]{1,256})")


@dataclass(frozen=True, slots=True)
class Service:
    """A service as configured. ``key_sha256``: hex digests of whole keys; several while one is being replaced."""

    name: str
    key_sha256: Sequence[str] = field(repr=False)
    grants: Grants
    may_list: bool = False
    may_end: bool = False


class Services:
    """All services of a hub, found by their keys."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._by_name = {service.name: service for service in services}

    def of_key(self, key: str) -> Service | None:
        """The service this key belongs to, or ``None``."""
        match = _KEY.fullmatch(key)
        service = self._by_name.get(match[1]) if match else None
        if service is None:
            return None
        digest = hashlib.sha256(key.encode()).hexdigest()
        known = False
        for allowed in service.key_sha256:
            known |= hmac.compare_digest(digest, allowed.lower())
        return service if known else None
