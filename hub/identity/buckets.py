"""Token buckets per address: bad credentials and log-ins may come fast for a moment, not for long.

A bucket is full at first and refills evenly. An IPv6 caller has a whole /64, so that is what counts as its address.
Buckets of this node only; nothing here waits, and the memory is bounded.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable

from hub.core import bucket

MOST_ADDRESSES = 20_000


def caller_of(address: str) -> str:
    """What shares a bucket: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip) >> 64 << 64, 64)))
    return str(ip)


class Buckets:
    """``per_minute`` tokens for each address; 0 means no limit."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._buckets = bucket.Buckets(per_minute / 60, per_minute, MOST_ADDRESSES)
        self._monotonic = monotonic

    def take(self, address: str) -> float:
        """Take one token. Returns 0 if there was one, else the seconds until there will be."""
        return self._buckets.take(caller_of(address), self._monotonic())
