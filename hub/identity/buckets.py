"""Token buckets per address: bad credentials and log-ins may come fast for a moment, not for long.

A bucket is full at first and refills evenly. An IPv6 caller has a whole /64, so that is what counts as its address.
Buckets of this node only; nothing here waits, and the memory is bounded.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

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
        self._size = float(per_minute)
        self._monotonic = monotonic
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> float:
        """Take one token. Returns 0 if there was one, else the seconds until there will be."""
        if not self._size:
            return 0.0
        caller, now = caller_of(address), self._monotonic()
        level, since = self._levels.pop(caller, (self._size, now))
        level = min(self._size, level + (now - since) * self._size / 60)
        has_one = level >= 1
        self._levels[caller] = (level - 1 if has_one else level, now)
        if len(self._levels) > MOST_ADDRESSES:
            self._levels.popitem(last=False)
        return 0.0 if has_one else (1 - level) * 60 / self._size
