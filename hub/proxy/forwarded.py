"""Where a request came from: the peer, unless it is a proxy that configuration trusts. Pure.

``X-Forwarded-*`` is believed only from ``trusted_proxies``, read from the right, and always written anew.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

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
        self._trusted: list[Network] = [ipaddress.ip_network(network) for network in trusted]

    def origin_of(self, scope: Mapping[str, Any]) -> Origin:
        """The origin of the request in an ASGI scope."""
        peer: str = (scope.get("client") or ("unknown", 0))[0]
        headers: RawHeaders = scope["headers"]
        scheme = "https" if scope.get("scheme") in _SECURE else "http"
        host = _one(headers, b"host")
        if not self._is_trusted(peer):
            return Origin(peer, (peer,), scheme, _host(host))
        chain = self._chain(headers, peer)
        claimed = _one(headers, b"x-forwarded-proto").lower()
        forwarded_host = _host(_one(headers, b"x-forwarded-host"))
        return Origin(
            self._first_stranger(chain), chain, claimed if claimed in ("http", "https") else scheme,
            forwarded_host or _host(host),
        )  # fmt: skip

    def _chain(self, headers: RawHeaders, peer: str) -> tuple[str, ...]:
        """Addresses a trusted proxy wrote down, as far back as they are addresses."""
        said = ",".join(value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")
        chain = [peer]
        for part in reversed(said.split(",")):
            address = _address(part.strip())
            if address is None:
                break
            chain.insert(0, address)
        return tuple(chain)

    def _first_stranger(self, chain: tuple[str, ...]) -> str:
        """From the right, the first that is no proxy of ours; if all are, the first of all."""
        return next((address for address in reversed(chain) if not self._is_trusted(address)), chain[0])

    def _is_trusted(self, address: str) -> bool:
        if not self._trusted or (plain := _address(address)) is None:
            return False
        ip = ipaddress.ip_address(plain)
        return any(ip in network for network in self._trusted)


def _one(headers: RawHeaders, wanted: bytes) -> str:
    """A header that came exactly once, else nothing."""
    values = [value for name, value in headers if name == wanted]
    return values[0].decode("latin-1").strip() if len(values) == 1 else ""


def _host(text: str) -> str:
    return text if _HOST.fullmatch(text) else ""


def _address(text: str) -> str | None:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


def _node(address: str) -> str:
    """An address as RFC 7239 §6 writes it."""
    return f'"[{address}]"' if ":" in address else address if _address(address) else "unknown"


def _port(host: str, scheme: str) -> str:
    port = re.search(r":(\d+)$", host)
    return port[1] if port else {"http": "80", "https": "443"}[scheme]
