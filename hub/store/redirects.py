"""Calls that a server of a cluster did not carry out, because another one should, or nobody can just now: sent again.

It said so, so nothing has happened; and within two seconds it is done elsewhere or answered 503. What was sent and not
answered is another matter, and is never sent again here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redis.exceptions import AskError, ClusterDownError, MasterDownError, MovedError, ResponseError, TryAgainError

from hub.errors import Maintenance
from hub.store.calls import Calls, Kind, TakeOver
from hub.store.lanes import Waiting, refuse

if TYPE_CHECKING:
    from hub.store.shard import Shard
    from hub.store.shards import Shards
    from hub.store.store_url import Address

PATIENCE_SECONDS = 2.0
PAUSES = (0.0, 0.01, 0.02, 0.05)  # before each try; the last from then on
NOT_SERVED = "Hash slot not served"  # of one slot: the rest of the shard is well


class Redirects:
    """Sends again, and tells ``shards`` what it hears."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def for_calls(self, shard: Shard | None) -> TakeOver:
        """What the calls to a shard ask, or to a server that is none yet."""

        def take_over(kind: Kind, waiting: Waiting, error: ResponseError) -> bool:
            return self._take_over(shard, kind, waiting, error)

        return take_over

    def _take_over(self, shard: Shard | None, kind: Kind, waiting: Waiting, error: ResponseError) -> bool:
        loop = asyncio.get_running_loop()
        pause = PAUSES[min(waiting.tries, len(PAUSES) - 1)]
        until = waiting.until or loop.time() + PATIENCE_SECONDS
        if loop.time() + pause > until or waiting.future.done():
            return False
        again = waiting._replace(tries=waiting.tries + 1, until=until, is_asking=False)
        match error:
            case MovedError():
                self._shards.heard_moved(error.slot_id, _named(error, shard))
            case AskError():
                there = self._shards.calls_at(_named(error, shard))
                loop.call_later(pause, self._put_at, there, kind, again._replace(is_asking=True))
                return True
            case TryAgainError():
                pause = max(pause, PAUSES[1])
            case ClusterDownError() | MasterDownError():
                if shard is not None and NOT_SERVED not in str(error):
                    shard.health.failed("maintenance")
                self._shards.look_soon()
                pause = PAUSES[-1]
            case _:
                return False
        loop.call_later(pause, self._put, kind, again)
        return True

    def _put(self, kind: Kind, waiting: Waiting) -> None:
        self._put_at(self._shards.calls_for(waiting.command), kind, waiting)

    def _put_at(self, calls: Calls, kind: Kind, waiting: Waiting) -> None:
        loop = asyncio.get_running_loop()
        if waiting.future.done():
            return
        if not calls.is_refusing:
            calls.put(kind, waiting)
        elif loop.time() + PAUSES[-1] > waiting.until:
            refuse(waiting.future, Maintenance())
        else:
            loop.call_later(PAUSES[-1], self._put, kind, waiting._replace(is_asking=False))


def _named(error: AskError, shard: Shard | None) -> Address:
    """The server it names; by no host where that is the one that was asked."""
    guide = None if shard is None else shard.connect.guide
    asked = "" if guide is None or guide.current is None else guide.current[0]
    return (error.host if error.host not in ("", "?") else asked), error.port
