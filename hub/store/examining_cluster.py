"""A cluster looked at from outside: whether every slot is served, what is on its way or down, and each shard by itself.

What is the same of all shards is one line; what is not is a line for each, with the address of its primary.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from redis.exceptions import NoPermissionError, RedisError

from hub.core.finding import Finding
from hub.errors import HubError
from hub.store.fitness import SKEW_TO_MIND, examine_primary
from hub.store.layout import Layout, layout
from hub.store.rehearsing import rehearse
from hub.store.shard import Shard
from hub.store.shards import Shards
from hub.store.slots import SLOTS
from hub.store.topology import View

LISTED = 4


async def examine_cluster(shards: Shards, shown: str, durability: str) -> list[Finding]:
    """All of it. ``shown`` is its URL, fit for people. Raises ``ConfigurationError`` where no patience helps, another
    ``HubError``, ``RedisError`` or ``OSError`` for a cluster of which nobody answers."""
    began = time.perf_counter()
    await shards.find()
    took = time.perf_counter() - began
    try:
        assert shards.ways is not None, "it is one"
        assert shards.ways.topology.view is not None, "it was asked"
        found = [
            Finding("store", "ok", f"{shown} answers, {len(shards.all)} shards, {took * 1000:.1f} ms to find them")
        ]
        found += _judge_slots(shards.ways.topology.view, await _layout(shards))
        each = await asyncio.gather(*(_examine(shard, durability) for shard in shards.all))
        found += _together([(_address(shard), said) for shard, (said, _) in zip(shards.all, each, strict=True)])
        return [*found, judge_clocks([skew for _, skew in each if skew is not None])]
    finally:
        await shards.close()


async def _layout(shards: Shards) -> Layout:
    try:
        return await layout(shards)
    except NoPermissionError:
        return Layout()  # which right is missing is found when all commands are tried


def _judge_slots(view: View, at: Layout) -> list[Finding]:
    found = []
    if view.covered < SLOTS:
        said = f"{SLOTS - view.covered} of {SLOTS} are served by nobody: their users are answered 503"
        found.append(Finding("cluster slots", "failed", said, "valkey-cli --cluster fix"))
    elif not view.is_ok:
        found.append(Finding("cluster slots", "failed", "cluster_state is fail", "see which of its servers are down"))
    else:
        found.append(Finding("cluster slots", "ok", f"all {SLOTS} are served"))
    if at.moving:
        said = f"on their way: {_listed(sorted(map(str, at.moving), key=int))}; writes there wait, or are answered 503"
        found.append(Finding("cluster moves", "warn", said, "fine for a moment; else valkey-cli --cluster fix"))
    if at.failed:
        said = f"held for down by others: {_listed(sorted(at.failed))}"
        found.append(Finding("cluster servers", "warn", said, "start them, or take them out: CLUSTER FORGET"))
    alone = [_shown(each.primary) for each in view.shards if not each.replicas]
    if alone:
        said = f"no replica of {_listed(alone)}: while one is down its users are answered 503"
        found.append(Finding("cluster replicas", "warn", said, "add a replica to each"))
    return found


async def _examine(shard: Shard, durability: str) -> tuple[list[Finding], float | None]:
    try:
        found, skew = await examine_primary(shard.connect, durability)
    except (HubError, RedisError, OSError, TimeoutError) as error:
        said = f"its primary does not answer ({type(error).__name__})"
        return [Finding("store shard", "failed", said, "start it, or let a replica be promoted")], None
    return [*found, *await rehearse(shard.connect, durability, shard.tag())], skew


def _together(found: Sequence[tuple[str, list[Finding]]]) -> list[Finding]:
    names = dict.fromkeys(finding.name for _, said in found for finding in said)
    lines: list[Finding] = []
    for name in names:
        here = [(where, each) for where, said in found for each in said if each.name == name]
        if len({(each.state, each.said) for _, each in here}) == 1 and len(here) == len(found):
            lines.append(here[0][1])
        else:
            lines += [Finding(name, each.state, f"{where}: {each.said}", each.to_do) for where, each in here]
    return lines


def judge_clocks(skews: Sequence[float]) -> Finding:
    """The clocks of all shards beside each other; seconds ahead of this machine's."""
    apart = max(skews) - min(skews) if skews else 0.0
    said = f"those of the shards are {apart:.3f} s apart"
    if apart < SKEW_TO_MIND:
        return Finding("cluster clocks", "ok", said)
    return Finding("cluster clocks", "warn", said, "set them by NTP: a session ends by the clock of its shard")


def _address(shard: Shard) -> str:
    guide = shard.connect.guide
    return _shown(guide.current) if guide is not None and guide.current is not None else "?"


def _shown(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
