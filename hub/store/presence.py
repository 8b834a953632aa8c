"""Presence: which connections a session has now, over all nodes.

A connection is written when it opens and removed when it closes; it counts while the node that holds it
is alive. A node is alive while it renews its entry in ``hub:nodes``, so a node that died takes its
connections with it without anybody visiting every session.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from hub.core.json import dumps
from hub.core.session import Session, user_tag
from hub.core.times import rfc3339
from hub.store import keys
from hub.store.clock import Clocks
from hub.store.routed import Routed

NODE_LIFE_SECONDS = 15.0
NODE_BEAT_SECONDS = 5.0
NODES_SECONDS = 0.25  # nobody waits longer to hear which nodes live, if that is known from before


class Presence:
    """Connections by session, and the nodes that vouch for them."""

    def __init__(self, calls: Routed, clock: Clocks, node: str) -> None:
        self._calls, self._clock, self.node = calls, clock, node
        self._lived: set[str] = set()
        self.key_names = b""  # of the ring this node works with: whoever would drop a key has to know

    async def beat(self) -> None:
        """Say that this node is alive."""
        now = self._clock.now_ms()
        await asyncio.gather(
            self._calls.call("ZADD", keys.NODES, now, self.node),
            self._calls.call("SET", keys.node_keys(self.node), self.key_names, "PX", round(NODE_LIFE_SECONDS * 1000)),
            self._calls.call("ZREMRANGEBYSCORE", keys.NODES, "-inf", now - 3_600_000),
        )

    async def leave(self) -> None:
        """This node stops."""
        await asyncio.gather(
            self._calls.call("ZREM", keys.NODES, self.node), self._calls.call("DEL", keys.node_keys(self.node))
        )

    async def arrive(self, session: Session, connection: str, app: str | None) -> None:
        """A connection opened; whoever follows the session hears of it."""
        sid = session.sid
        about = {"node": self.node, "app": app, "since": rfc3339(self._clock.now_ms(sid))}
        await asyncio.gather(
            self._calls.call("HSET", keys.presence(sid), connection, dumps(about)),
            self._calls.call("PEXPIREAT", keys.presence(sid), session.expires_ms),
            self._calls.call("SPUBLISH", keys.channel(user_tag(sid)), f"p {sid}"),
        )

    async def depart(self, sid: str, connection: str) -> None:
        """A connection closed."""
        await asyncio.gather(
            self._calls.call("HDEL", keys.presence(sid), connection),
            self._calls.call("SPUBLISH", keys.channel(user_tag(sid)), f"p {sid}"),
        )

    async def _living(self) -> set[str]:
        """The nodes that live. Where that is written may be in another shard than the session: while that one does not
        answer, those that lived when it did."""
        oldest = self._clock.now_ms() - NODE_LIFE_SECONDS * 1000
        asking = asyncio.ensure_future(self._calls.call("ZRANGEBYSCORE", keys.NODES, oldest, "+inf"))
        await asyncio.wait([asking], timeout=NODES_SECONDS if self._lived else None)
        if not self._lived or (asking.done() and asking.exception() is None):
            self._lived = {node.decode() for node in await asking}
        return self._lived

    async def connections(self, sid: str) -> list[dict[str, Any]]:
        """``[{id, app, since, node}]`` of living nodes, oldest first."""
        alive, fields = await asyncio.gather(self._living(), self._calls.call("HGETALL", keys.presence(sid)))
        names = (name.decode() for name in fields[::2])
        found = [{"id": name, **orjson.loads(value)} for name, value in zip(names, fields[1::2], strict=True)]
        return sorted((each for each in found if each["node"] in alive), key=lambda each: str(each["since"]))
