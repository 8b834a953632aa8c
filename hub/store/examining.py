"""A store looked at from outside, before a hub relies on it; every shard of it.

Nothing here raises for what is wrong with a store: each thing becomes a finding, and none shows a credential.
"""

from __future__ import annotations

import asyncio
import os
import time

from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hub.core.finding import Finding
from hub.errors import ConfigurationError, HubError
from hub.store.connecting import StoreTls, check, connector
from hub.store.examining_cluster import examine_cluster
from hub.store.fitness import SECONDS, ask, connected, examine_primary
from hub.store.rehearsing import rehearse
from hub.store.shards import Shards
from hub.store.store_url import StoreUrl


async def examine(url: str, tls: StoreTls, durability: str = "local") -> list[Finding]:
    """Everything there is to find out about the store at ``url``; the first line is whether it can be reached."""
    try:
        at = StoreUrl.parse(url)
        if at.is_cluster:
            return await examine_cluster(Shards(url, tls), str(at), durability)
        return await _examine_one(at, tls, url, durability)
    except ConfigurationError as error:
        said, to_do = str(error).removeprefix("store_url: "), "see store_url and store_ca_file, store_cert_file"
        return [Finding("store", "failed", said, to_do)]
    except ValueError as error:
        return [Finding("store", "failed", f"store_url: {error}", "see store_url")]
    except (HubError, RedisError, OSError, TimeoutError) as error:
        said = f"{at} does not answer ({_reason(error)})"
        return [Finding("store", "failed", said, "start it, or let this machine reach it")]


async def _examine_one(at: StoreUrl, tls: StoreTls, url: str, durability: str) -> list[Finding]:
    connect = connector(url, tls)
    await check(connect)
    began = time.perf_counter()
    async with asyncio.timeout(SECONDS), connected(connect) as connection:
        await ask(connection, "TIME")  # and not PING, which a store whose disk is full refuses
        took = time.perf_counter() - began
    said, _ = await examine_primary(connect, durability)
    found = [Finding("store", "ok", f"{at} answers, {took * 1000:.1f} ms to connect and ask")]
    return [*found, *said, *await rehearse(connect, durability)]


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError | RedisTimeoutError):
        return "no answer in time"
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, OSError) and cause.errno):
        cause = cause.__cause__ or cause.__context__
    return os.strerror(cause.errno or 0).lower() if isinstance(cause, OSError) else type(error).__name__
