"""Threats against credentials: what is in the store opens nothing, guessing is slowed down, logs keep no secrets."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest
from redis import Redis

from hub.store import keys
from tests.support.answers import good, problem
from tests.support.nodes import READER_KEY, SERVICE_KEY, Cluster, Node
from tests.support.tabs import as_service, as_user, bearer, log_in

pytestmark = pytest.mark.edge


async def test_03_a_dump_of_the_store_holds_no_token(hub_cluster: Cluster, node: Node) -> None:
    """Neither the token nor its secret part is in any record; the verifier is no plain hash of it."""
    opened = await log_in(hub_cluster, node)
    outside: Any = Redis.from_url(hub_cluster.store_url)
    record = b"".join(part for pair in outside.hgetall(keys.record(opened.sid)).items() for part in pair)
    outside.close()
    secret = opened.token.partition(".")[2].encode()
    assert secret not in record
    assert hashlib.sha256(opened.token.encode()).digest() not in record
    assert hashlib.sha256(opened.token.encode()).hexdigest().encode() not in record


async def test_53_guessing_is_slowed_down_and_hurts_nobody_else(hub_cluster: Cluster) -> None:
    """After a few bad credentials 429 with ``Retry-After``; a good credential never meets it."""
    strict = hub_cluster.node(HUB_LIMITS__FAILURES_PER_MINUTE="5")
    opened = await log_in(hub_cluster, strict)
    async with httpx.AsyncClient(base_url=strict.url) as client:
        for _ in range(5):
            problem(await client.get("/v1/sessions/me", headers=bearer("hub_st_guess")), 401, "unauthenticated")
        problem(await client.get("/v1/sessions/me", headers=bearer("hub_st_guess")), 429, "rate_limited")
        good(await client.get("/v1/sessions/me", headers=bearer(opened.token)))
    assert "excess_rate_limit_exceeded" in hub_cluster.log(strict)


async def test_55_logs_keep_no_secret(hub_cluster: Cluster, node: Node) -> None:
    """Tokens and keys, good and bad ones, are not written down."""
    opened = await log_in(hub_cluster, node)
    bad = "hub_sk_billing_canary-of-a-key"
    async with as_user(node, opened) as user, as_service(node, bad) as stranger:
        good(await user.get("/v1/sessions/me"))
        problem(await stranger.get("/v1/sessions"), 401, "unauthenticated")
    written = hub_cluster.log(node)
    assert "authn_login_fail" in written
    for secret in (opened.token, opened.token.partition(".")[2], bad, "canary-of-a-key", SERVICE_KEY, READER_KEY):
        assert secret not in written


async def test_66_a_planted_verifier_opens_nothing(hub_cluster: Cluster, node: Node) -> None:
    """Whoever can write to the store cannot make a token for a session: verifiers are keyed and bound to the sid."""
    victim, own = await log_in(hub_cluster, node, "grace"), await log_in(hub_cluster, node, "mallory")
    outside: Any = Redis.from_url(hub_cluster.store_url)
    token = f"hub_st_{victim.sid}.{own.token.partition('.')[2]}"
    kid = outside.hget(keys.record(own.sid), "verifier").partition(b":")[0]
    planted = [outside.hget(keys.record(own.sid), "verifier"), b"", b":", kid + b":"]
    planted.append(kid + b":" + hashlib.sha256(token.encode()).digest())
    async with httpx.AsyncClient(base_url=node.url, headers=bearer(token)) as client:
        for verifier in planted:
            outside.hset(keys.record(victim.sid), "verifier", verifier)
            problem(await client.get("/v1/sessions/me"), 401, "unauthenticated")
    outside.close()
