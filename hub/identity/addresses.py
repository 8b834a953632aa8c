"""Whose address a request comes from. ``X-Forwarded-For`` is believed only as far as trusted proxies wrote it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def caller_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """The last address that no trusted proxy stands behind.

    ``peer`` is the other end of the socket, ``forwarded_for`` the values of ``X-Forwarded-For`` in order.
    """
    if not trusted or not _is_trusted(peer, trusted):
        return peer
    hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
    for hop in reversed(hops):
        if not _is_address(hop):
            return peer
        if not _is_trusted(hop, trusted):
            return hop
    return hops[0] if hops else peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(text: str, trusted: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in trusted)
