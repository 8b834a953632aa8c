"""Listings over all sessions: pages for operators and services, and the sweep for those that are due.

The listing is best effort (64 sorted sets in other slots than the sessions); the records decide.
"""

from __future__ import annotations

import asyncio
import re

from hub.errors import Malformed
from hub.store import keys
from hub.store.clock import Clocks
from hub.store.routed import Routed

_CURSOR = re.compile(r"([0-9]{1,2})-([0-9]{1,9})")


class Listing:
    """Live sids by deadline."""

    def __init__(self, calls: Routed, clock: Clocks) -> None:
        self._calls, self._clock = calls, clock

    async def page(self, cursor: str | None, limit: int) -> tuple[list[str], str | None]:
        """At most ``limit`` sids after ``cursor``, and the next cursor (``None`` at the end)."""
        shard, offset = _parse(cursor)
        sids: list[str] = []
        while shard < keys.ALL_SHARDS:
            room = limit - len(sids)
            found = await self._calls.call("ZRANGE", keys.all_shards()[shard], offset, offset + room - 1)
            sids += [sid.decode() for sid in found]
            if len(found) == room:
                return sids, f"{shard}-{offset + room}"
            shard, offset = shard + 1, 0
        return sids, None

    async def due(self, most: int) -> list[str]:
        """Sids whose listed deadline has passed, at most ``most`` of each set; of the sets that can be read now."""
        now = self._clock.now_ms()
        asked = [self._calls.call("ZRANGEBYSCORE", name, "-inf", now, "LIMIT", 0, most) for name in keys.all_shards()]
        found = await asyncio.gather(*asked, return_exceptions=True)
        return [sid.decode() for sids in found if not isinstance(sids, BaseException) for sid in sids]

    async def correct(self, sid: str, deadline_ms: int | None) -> None:
        """The record says otherwise: list the right deadline, or nothing."""
        if deadline_ms is None:
            await self._calls.call("ZREM", keys.all_shard(sid), sid)
        else:
            await self._calls.call("ZADD", keys.all_shard(sid), "XX", deadline_ms, sid)


def _parse(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return 0, 0
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise Malformed("This cursor was not made here")
    return int(match[1]), int(match[2])
