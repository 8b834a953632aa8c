"""Every command a hub gives its store, given once to keys that nobody uses and that are gone afterwards.

So a user that may not do something is found out before the first session needs it. The same for the scripts, none of
which finds anything to change, and for a message on the feed's way: out through the store and back.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Sequence

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from hub.core.finding import Finding
from hub.errors import HubError, ReadOnly
from hub.store import keys
from hub.store.calls import Calls
from hub.store.connecting import Connect, establish
from hub.store.scripts import NAMES, Scripts

LIFE_SECONDS = 30
PATIENCE_SECONDS = 3.0
LISTED = 6

Command = tuple[str | int, ...]


def commands(tag: str, durability: str = "local", *, in_cluster: bool = False) -> list[Command]:
    """In an order in which each finds what it needs. They are sent in one go: ``ASKING`` concerns what follows it."""
    name = f"{keys.channel(tag)}:doctor"
    text, table, bag, ranks, stream = (f"{name}:{kind}" for kind in ("text", "table", "bag", "ranks", "stream"))
    until_ms = round(time.time() * 1000) + LIFE_SECONDS * 1000
    # fmt: off
    on_keys: list[Command] = [
        ("SET", text, "1", "EX", LIFE_SECONDS), ("GET", text), ("EXISTS", text), ("PEXPIRETIME", text),
        ("HSET", table, "f", "1"), ("PEXPIREAT", table, until_ms),
        ("HGET", table, "f"), ("HMGET", table, "f"), ("HGETALL", table), ("HDEL", table, "f"),
        ("SADD", bag, "1"), ("EXPIRE", bag, LIFE_SECONDS), ("SMEMBERS", bag),
        ("ZADD", ranks, 1, "1"), ("EXPIRE", ranks, LIFE_SECONDS), ("ZCARD", ranks), ("ZRANGE", ranks, 0, -1),
        ("ZRANGEBYSCORE", ranks, 2, 3), ("ZREM", ranks, "2"), ("ZREMRANGEBYSCORE", ranks, 2, 3),
        ("XADD", stream, "1-0", "e", "1"), ("EXPIRE", stream, LIFE_SECONDS), ("XRANGE", stream, "-", "+"),
        ("XTRIM", stream, "MINID", "1-0"),
    ]
    others: list[Command] = [
        ("PING",), ("ROLE",), ("TIME",), ("SCAN", 0, "COUNT", 1), ("EVAL", "return 1", 0),
        ("SPUBLISH", keys.channel(tag), ""),
        ("WAIT", 0, 1), *([("WAITAOF", 0, 0, 1)] if durability == "fsynced" else []),
    ]
    if in_cluster:
        others += [("CLUSTER", "INFO"), ("CLUSTER", "SLOTS"), ("CLUSTER", "NODES"), ("ASKING",)]
    # fmt: on
    return [*others, *on_keys, ("DEL", text, table, bag, ranks, stream)]


async def rehearse(connect: Connect, durability: str, tag: str | None = None) -> list[Finding]:
    """What this user may do, whether scripts run, whether the feed delivers. ``tag``: in a cluster, one of a shard."""
    in_cluster, tag = tag is not None, tag or secrets.token_hex(8)
    calls, found = Calls(connect, lambda _: None), list[Finding]()
    tried = commands(tag, durability, in_cluster=in_cluster)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS * 2):
            found.append(await _try_all(calls, tried))
            found.append(await _run_scripts(calls, tag))
            found.append(await _hear(connect, tag))
    except (HubError, RedisError, OSError, TimeoutError) as error:
        found.append(Finding("store answers", "failed", f"it stopped answering ({_why(error)})", "see its log"))
    finally:
        await calls.close()
    return found


async def _try_all(calls: Calls, tried: Sequence[Command]) -> Finding:
    answers = await asyncio.gather(*(calls.call(*command) for command in tried), return_exceptions=True)
    denied, refused = list[str](), ""
    for command, answer in zip(tried, answers, strict=True):
        if isinstance(answer, NoPermissionError):
            denied.append(name_of(command))
        elif isinstance(answer, BaseException):
            refused = refused or f"{command[0]}: {_why(answer)}"
    if denied:
        return Finding("store commands", "failed", f"this user may not: {_listed(denied)}", _grant(denied))
    if refused:
        return Finding("store commands", "failed", f"the store refuses {refused}", "see its log: full, or a replica?")
    return Finding("store commands", "ok", f"all {len(set(map(name_of, tried)))} are allowed and work")


async def _run_scripts(calls: Calls, tag: str) -> Finding:
    """None of them finds a session. ``open`` is stopped by a mark that all of a user's sessions were ended later."""
    at, mark = f"{keys.channel(tag)}:doctor", f"{keys.channel(tag)}:doctor:mark"
    asked: dict[str, tuple[Sequence[str], Sequence[str | int]]] = {
        "open": ([at, at, at, mark, at], ["", 0, 1, 1, 1, 1, "", "", ""]),
        "commit": ([at, at, at, at], ["", "", "", "", "", "", 1, 0, "", 1]),
        "touch": ([at], [1]),
        "end": ([at, at, at], ["", "named", ""]),
        "close": ([at, at], ["", "", "", "", 1]),
        "rewrap": ([at], ["-", ""]),
    }
    scripts, failed = Scripts(calls), dict[str, str]()
    with contextlib.suppress(ResponseError, ReadOnly):
        await calls.call("SET", mark, 1, "EX", LIFE_SECONDS)
    for name in NAMES:
        try:
            await scripts.run(name, *asked[name])
        except (ResponseError, ReadOnly) as error:
            failed[name] = _why(error)
    with contextlib.suppress(ResponseError, ReadOnly):
        await calls.call("DEL", mark)
    if failed:
        said = "; ".join(f"{name}: {why}" for name, why in failed.items())
        return Finding("store scripts", "failed", said, "allow this user +eval +evalsha and what the scripts call")
    return Finding("store scripts", "ok", f"all {len(NAMES)} load and run")


async def _hear(connect: Connect, tag: str) -> Finding:
    """A message to ourselves on a sharded channel (Redis 7: SSUBSCRIBE)."""
    channel, name = keys.channel(tag), "store feed"
    listener, speaker = connect(), connect()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await establish(listener)
            await establish(speaker)
            await _say(listener, "SSUBSCRIBE", channel)
            began = time.perf_counter()
            await _say(speaker, "SPUBLISH", channel, "doctor")
            await listener.read_response(timeout=PATIENCE_SECONDS)
            took = time.perf_counter() - began
            await _say(listener, "SUNSUBSCRIBE", channel)
    except NoPermissionError:
        return Finding(name, "failed", "this user may not use channels", "allow it: +ssubscribe +sunsubscribe &hub:*")
    except (RedisError, OSError, TimeoutError) as error:
        return Finding(name, "failed", f"a published message does not come back ({_why(error)})", "see its log")
    finally:
        for connection in (listener, speaker):
            with contextlib.suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)
    return Finding(name, "ok", f"a message comes back in {took * 1000:.1f} ms")


async def _say(connection: AbstractConnection, *command: str) -> object:
    await connection.send_command(*command)
    return await connection.read_response()


def _why(error: BaseException) -> str:
    """Its first word where the store has one for it; the rest may quote what it was sent."""
    if isinstance(error, NoPermissionError):
        return "NOPERM"
    if isinstance(error, HubError):
        return error.code
    text = str(error).split(" ", 1)[0]
    return text if text.isupper() else type(error).__name__


def name_of(command: Command) -> str:
    """As an ACL names it."""
    return "|".join(map(str, command[:2])) if command[0] == "CLUSTER" else str(command[0])


def _listed(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _grant(names: Sequence[str]) -> str:
    return f"allow it: ACL SETUSER … {' '.join(f'+{name.lower()}' for name in dict.fromkeys(names))} ~hub:* &hub:*"
