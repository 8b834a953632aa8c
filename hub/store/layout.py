"""How the slots of a cluster lie, and what is on its way between its shards: for those who look at all of it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hub.store.connecting import Connect, establish
from hub.store.store_url import Address
from hub.store.topology import View

if TYPE_CHECKING:
    from hub.store.shards import Shards

SECONDS = 2.0

_ON_ITS_WAY = re.compile(r"\[(\d+)-[<>]-[0-9a-f]+\]")


@dataclass(frozen=True, slots=True)
class Layout:
    """Who serves what; the slots that are on their way; the servers that others hold for failed, as they name them."""

    slots: tuple[tuple[Address, tuple[range, ...]], ...] = ()
    moving: frozenset[int] = frozenset()
    failed: frozenset[str] = frozenset()


async def layout(shards: Shards) -> Layout:
    """As it is now, said by the primaries that answer; of a store that is no cluster, nothing.

    Raises ``RedisError`` or ``OSError`` where nobody answers, or it may not be asked.
    """
    if shards.ways is None:
        return Layout()
    view: View = await shards.ways.topology.ask()
    asked = [_nodes(shards.ways.to_server(served.primary)) for served in view.shards]
    said = [each for each in await asyncio.gather(*asked) if each is not None]
    moving, failed = set[int](), set[str]()
    for line in (line for text in said for line in text.splitlines()):
        words = line.split()
        if len(words) > 2 and {"fail", "fail?"} & set(words[2].split(",")):
            failed.add(words[1].partition("@")[0])
        moving.update(int(slot) for slot in _ON_ITS_WAY.findall(line))
    return Layout(
        tuple((served.primary, tuple(served.slots)) for served in view.shards), frozenset(moving), frozenset(failed)
    )


async def _nodes(connect: Connect) -> str | None:
    connection = connect()
    try:
        async with asyncio.timeout(SECONDS):
            await establish(connection)
            await connection.send_command("CLUSTER", "NODES")
            said = await connection.read_response()
    except (RedisConnectionError, RedisTimeoutError, OSError):
        return None
    finally:
        await connection.disconnect(nowait=True)
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else ""
