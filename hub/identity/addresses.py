"""Where a request came from: the peer, unless that is a proxy the configuration trusts. Pure.

``X-Forwarded-For`` is believed only as far as trusted proxies wrote it, read from the right. An IPv4 address inside an
IPv6 one is that IPv4 address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedProxies:
    """The networks of the proxies in front of the hub."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = list(networks)

    def __contains__(self, address: str) -> bool:
        if not self._networks or (plain := plain_address(address)) is None:
            return False
        ip = ipaddress.ip_address(plain)
        return any(ip in network for network in self._networks)

    def chain(self, peer: str, forwarded_for: Sequence[str]) -> tuple[str, ...]:
        """The addresses of the way here, the caller's first, ``peer`` last.

        ``forwarded_for`` are the values of ``X-Forwarded-For``; they count only if ``peer`` is trusted, and only as far
        back as they are addresses.
        """
        chain = [peer]
        if peer in self:
            for part in reversed(",".join(forwarded_for).split(",")):
                address = plain_address(part.strip())
                if address is None:
                    break
                chain.insert(0, address)
        return tuple(chain)

    def caller(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """From the right, the first that is no proxy of ours; if all are, the first of all."""
        chain = self.chain(peer, forwarded_for)
        return next((address for address in reversed(chain) if address not in self), chain[0])


def plain_address(text: str) -> str | None:
    """An address in its usual spelling; ``None`` for what is none."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)
