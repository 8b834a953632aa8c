"""Whether a hub may rely on a server of its store: what the server says of itself, judged.

Each thing that is wrong becomes a finding; a start goes on unless sessions would be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Mapping

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoPermissionError, RedisError

from hub.core.finding import Finding, State
from hub.errors import ConfigurationError
from hub.store.connecting import Connect, establish
from hub.store.durability import Durability
from hub.store.info import read_info

OLDEST = {"valkey": (7, 2), "redis": (7, 0)}
OLDEST_WITH_WAITAOF = (7, 2)
SECONDS = 5.0
SKEW_TO_MIND, SKEW_TO_REFUSE = 2.0, 60.0  # seconds
FULL, NEARLY_FULL = 0.95, 0.75  # of the memory there is
_REPLICA = re.compile(r"slave\d+")


async def refuse_unfit(connect: Connect, *, in_cluster: bool = False) -> None:
    """Raise ``ConfigurationError`` for a store that is too old, or that would throw sessions away when it is full;
    or one of a cluster that is named as if it were all of it.

    One that does not answer, or may not be asked, is not judged here.
    """
    try:
        async with asyncio.timeout(SECONDS), connected(connect) as connection:
            answer = await ask(connection, "INFO")
    except (RedisError, OSError, TimeoutError):
        return
    info = read_info(answer)
    for finding in (_version(info, "local"), _policy(info), _kind(info, in_cluster)):
        if finding.state == "failed":
            raise ConfigurationError(f"store_url: {finding.said}; {finding.to_do}")


@contextlib.asynccontextmanager
async def connected(connect: Connect) -> AsyncIterator[AbstractConnection]:
    """Greeted. Raises ``RedisError`` or ``OSError``."""
    connection = connect()
    try:
        await establish(connection)
        yield connection
    finally:
        await connection.disconnect(nowait=True)


async def ask(connection: AbstractConnection, *command: object) -> object:
    """One answer."""
    await connection.send_command(*command)
    return await connection.read_response()


async def examine_primary(connect: Connect, durability: str) -> tuple[list[Finding], float]:
    """What it says of itself, and its clock: seconds ahead of this machine's. Raises ``RedisError`` or ``OSError``."""
    async with asyncio.timeout(SECONDS), connected(connect) as connection:
        found = await _described(connection, durability)
        skew = await _skew(connection)
    return [*found, judge_skew(skew)], skew


async def _described(connection: AbstractConnection, durability: str) -> list[Finding]:
    """What INFO says."""
    try:
        answer = await ask(connection, "INFO")
    except NoPermissionError:
        said = "this user may not ask INFO: version, role, memory and persistence are not known"
        return [Finding("store facts", "warn", said, "allow it: ACL SETUSER … +info")]
    return judge(read_info(answer), durability)


def judge(info: Mapping[str, str], durability: str = "local") -> list[Finding]:
    """Version, role, memory and persistence of a store that described itself like this; its replicas where they are
    waited for."""
    found = [_version(info, durability), _role(info), _policy(info), _memory(info), _persistence(info, durability)]
    wanted = Durability.parse(durability).replicas
    return [*found, *_replicas(info, wanted)] if wanted else found


def _version(info: Mapping[str, str], durability: str) -> Finding:
    kind = "valkey" if "valkey_version" in info else "redis"
    text = info.get(f"{kind}_version", "")
    oldest = max(OLDEST[kind], OLDEST_WITH_WAITAOF) if durability == "fsynced" else OLDEST[kind]
    wanted = f"{kind.capitalize()} {oldest[0]}.{oldest[1]} or newer is needed"
    parts = text.split(".")
    known = tuple(int(part) if part.isdecimal() else 0 for part in parts[:2])
    if known < oldest:
        return Finding("store version", "failed", f"{kind.capitalize()} {text or '(unknown)'}", wanted)
    return Finding("store version", "ok", f"{kind.capitalize()} {text}")


def _kind(info: Mapping[str, str], in_cluster: bool) -> Finding:
    if info.get("cluster_enabled") == "1" and not in_cluster:
        said = "one server of a cluster, which serves a part of the keys"
        return Finding("store kind", "failed", said, "name the cluster: redis+cluster:// or rediss+cluster://")
    return Finding("store kind", "ok", "a cluster" if in_cluster else "one primary")


def _role(info: Mapping[str, str]) -> Finding:
    if info.get("loading", "0") != "0":
        return Finding("store role", "failed", "still loading its data", "wait; a hub started now waits too")
    if info.get("role") != "master":
        said = f"a replica of {info.get('master_host', 'another')}: nothing can be written"
        return Finding("store role", "failed", said, "name the primary in store_url")
    replicas = info.get("connected_slaves", "0")
    return Finding("store role", "ok", f"primary, {replicas} replica{'' if replicas == '1' else 's'}")


def _replicas(info: Mapping[str, str], wanted: int) -> list[Finding]:
    """Those that follow, against ``replicated:N``; and whether a primary that is cut off from them stops writing."""
    name, listed = "store replicas", [said for key, said in info.items() if _REPLICA.fullmatch(key)]
    count = sum("state=online" in said for said in listed)
    said = f"{count} in step, replicated:{wanted} waits for {wanted}"
    if count < wanted:
        to_do = f"start {wanted - count} more, or lower N in durability: nothing can be confirmed like this"
        return [Finding(name, "failed", f"{said}: every commit would be answered 503 unconfirmed", to_do)]
    if "min_slaves_good_slaves" not in info:
        said += "; min-replicas-to-write is not set: a primary that is cut off goes on writing what will be lost"
        return [Finding(name, "warn", said, f"CONFIG SET min-replicas-to-write {wanted}, and in its file")]
    return [Finding(name, "ok", said)]


def _policy(info: Mapping[str, str]) -> Finding:
    policy = info.get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        return Finding("store eviction", "ok", "noeviction")
    said = f"maxmemory-policy is {policy}: a full store would throw sessions away"
    return Finding("store eviction", "failed", said, "CONFIG SET maxmemory-policy noeviction, and in its file")


def _memory(info: Mapping[str, str]) -> Finding:
    used, most = _number(info, "used_memory"), _number(info, "maxmemory")
    of = most or _number(info, "total_system_memory")
    share = used / of if of else 0.0
    said = f"{_mebibytes(used)} of {_mebibytes(of)} {'(maxmemory)' if most else '(the machine; no maxmemory)'}"
    state: State = "ok" if share < NEARLY_FULL else "warn" if share < FULL else "failed"
    return Finding("store memory", state, said, "" if state == "ok" else "give it more; full, it refuses every write")


def _persistence(info: Mapping[str, str], durability: str) -> Finding:
    name, to_do = "store persistence", "see its log: disk full, or folder not writable?"
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding(name, "failed", "it could not write its append-only file: writes are refused", to_do)
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        return Finding(name, "failed", "its last background save failed: writes may be refused", to_do)
    if info.get("aof_enabled") != "1":
        said, to_do = "no append-only file: a crash loses what was acknowledged", "set appendonly yes"
        return Finding(name, "failed" if durability == "fsynced" else "warn", said, to_do)
    if info.get("aof_last_bgrewrite_status", "ok") != "ok":
        return Finding(name, "warn", "its last rewrite of the append-only file failed", to_do)
    return Finding(name, "ok", "append-only file on, no errors")


async def _skew(connection: AbstractConnection) -> float:
    before = time.time()
    answer = await ask(connection, "TIME")
    after = time.time()
    assert isinstance(answer, list)
    return int(answer[0]) + int(answer[1]) / 1e6 - (before + after) / 2


def judge_skew(seconds: float) -> Finding:
    """The store's clock minus this machine's. Nodes go by the store's, also where they judge tokens of a provider."""
    said = f"the store's clock is {abs(seconds):.3f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
    if abs(seconds) < SKEW_TO_MIND:
        return Finding("clock skew", "ok", said)
    state: State = "warn" if abs(seconds) < SKEW_TO_REFUSE else "failed"
    return Finding("clock skew", state, said, "set both by NTP; log-ins fail where the store's is off by a minute")


def _number(info: Mapping[str, str], name: str) -> int:
    text = info.get(name, "0")
    return int(text) if text.isdecimal() else 0


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
