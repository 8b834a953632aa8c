"""Where a request came from: the peer, unless it is a proxy that configuration trusts. Pure.

``X-Forwarded-*`` is believed only from ``trusted_proxies``, read from the right, and always written anew.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hub.identity.addresses import TrustedProxies, plain_address

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]

_HOST = re.compile(r"[A-Za-z0-9._~-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_SECURE = {"https", "wss"}


@dataclass(frozen=True, slots=True)
class Origin:
    """What an app may know of where a request came from. ``chain`` ends with the hub's own peer."""

    address: str
    chain: tuple[str, ...]
    scheme: str
    host: str

    def headers(self) -> list[tuple[bytes, bytes]]:
        """``X-Forwarded-*``, ``X-Real-IP`` and ``Forwarded`` (RFC 7239) for the app's server."""
        elements = [f"for={_node(address)}" for address in self.chain]
        elements[0] += f";proto={self.scheme}" + (f';host="{self.host}"' if self.host else "")
        made = {
            "x-forwarded-for": ", ".join(self.chain),
            "x-forwarded-proto": self.scheme,
            "x-forwarded-host": self.host,
            "x-forwarded-port": _port(self.host, self.scheme),
            "x-real-ip": self.address,
            "forwarded": ", ".join(elements),
        }
        return [(name.encode(), value.encode("latin-1")) for name, value in made.items() if value]


class Peers:
    """Judges where requests came from. ``trusted``: networks of proxies in front of the hub."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = TrustedProxies(ipaddress.ip_network(network) for network in trusted)

    def origin_of(self, scope: Mapping[str, Any]) -> Origin:
        """The origin of the request in an ASGI scope."""
        peer: str = (scope.get("client") or ("unknown", 0))[0]
        headers: RawHeaders = scope["headers"]
        scheme = "https" if scope.get("scheme") in _SECURE else "http"
        host = _one(headers, b"host")
        if peer not in self._trusted:
            return Origin(peer, (peer,), scheme, _host(host))
        said = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
        chain = self._trusted.chain(peer, said)
        claimed = _one(headers, b"x-forwarded-proto").lower()
        forwarded_host = _host(_one(headers, b"x-forwarded-host"))
        return Origin(
            self._trusted.caller(peer, said), chain, claimed if claimed in ("http", "https") else scheme,
            forwarded_host or _host(host),
        )  # fmt: skip


def _one(headers: RawHeaders, wanted: bytes) -> str:
    """A header that came exactly once, else nothing."""
    values = [value for name, value in headers if name == wanted]
    return values[0].decode("latin-1").strip() if len(values) == 1 else ""


def _host(text: str) -> str:
    return text if _HOST.fullmatch(text) else ""


def _node(address: str) -> str:
    """An address as RFC 7239 §6 writes it."""
    return f'"[{address}]"' if ":" in address else address if plain_address(address) else "unknown"


def _port(host: str, scheme: str) -> str:
    port = re.search(r":(\d+)$", host)
    return port[1] if port else {"http": "80", "https": "443"}[scheme]
