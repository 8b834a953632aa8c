"""Threats by quantity: credentials guessed by the hundred, and patches that ask for too much."""

from __future__ import annotations

import gc
import json
import secrets
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.core import patch as patches
from hub.core.json import dumps, loads
from hub.errors import HubError
from tests.support.answers import good, problem
from tests.support.contexts import context_token
from tests.support.echo import EchoApp
from tests.support.nodes import SERVICE_KEY, Cluster, Node
from tests.support.security_log import SecurityLog
from tests.support.tabs import (
    JSON_PATCH,
    MERGE,
    Opened,
    as_service,
    as_user,
    bearer,
    log_in,
    merge,
    open_with,
)

pytestmark = pytest.mark.edge

ALLOWED = 20
GUESSES = 100
Headers = dict[str, str]


@pytest.fixture(scope="module")
def echo() -> Iterator[EchoApp]:
    with EchoApp() as app:
        yield app


# 53


def guesses(opened: Opened) -> dict[str, Any]:
    """Ways to guess, each a new guess every time; the sid may be known, as it is no secret."""
    random = secrets.token_urlsafe
    return {
        "random cookies": lambda: {"Cookie": f"hub={random(32)}"},
        "cookies of a known sid": lambda: {"Cookie": f"hub=hub_st_{opened.sid}.{random(32)}"},
        "session tokens": lambda: bearer(f"hub_st_{opened.sid}.{random(32)}"),
        "service keys": lambda: bearer(f"hub_sk_billing_{random(32)}"),
        "context tokens": lambda: bearer(f"eyJ{random(12)}.{random(12)}.{random(12)}"),
    }


@pytest.mark.parametrize(
    "way", ["random cookies", "cookies of a known sid", "session tokens", "service keys", "context tokens"]
)
async def test_53_guessing_is_slowed_down_and_hurts_nobody_else(hub_cluster: Cluster, echo: EchoApp, way: str) -> None:
    """A hundred guesses: after a few 429 with ``Retry-After``, written down as enumeration; a good cookie, token,
    key or context token from the same address never meets it."""
    settings: dict[str, Any] = {"HUB_APPS__A__UPSTREAM": echo.url}
    strict = hub_cluster.node(**settings, HUB_LIMITS__FAILURES_PER_MINUTE=str(ALLOWED))
    opened = await log_in(hub_cluster, strict)
    token = await context_token(strict, opened, "a")
    log, guess = SecurityLog(hub_cluster, strict), guesses(opened)[way]
    async with httpx.AsyncClient(base_url=strict.url) as client:
        for number in range(GUESSES):
            answer = await client.get("/v1/sessions/me/document", headers=guess())
            if number < ALLOWED:
                problem(answer, 401, "unauthenticated")
            else:
                problem(answer, 429, "rate_limited")
        names = log.names()
        assert names == ["authn_login_fail"] * ALLOWED + ["excess_rate_limit_exceeded"] * (GUESSES - ALLOWED)
        for headers in ({"Cookie": f"hub={opened.token}"}, bearer(opened.token), bearer(token)):
            good(await client.get("/v1/sessions/me/document", headers=headers))
        good(await client.get("/v1/sessions", headers=bearer(SERVICE_KEY)))
        assert (await client.get("/apps/a/", headers={"Cookie": f"hub={opened.token}"})).status_code == 200
        if way != "context tokens":  # through the gateway those are the app's own business
            problem(await client.get("/apps/a/", headers=guess()), 429, "rate_limited")
        assert (await client.get("/v1/sessions/me/document")).status_code == 401  # who shows nothing guesses nothing


async def test_53_guessed_tickets_count_too(hub_cluster: Cluster) -> None:
    """A live connection with a ticket that is none costs the same; then 4003 instead of 4501; a good one is let in."""
    strict = hub_cluster.node(HUB_LIMITS__FAILURES_PER_MINUTE="5")
    opened, log = await log_in(hub_cluster, strict), SecurityLog(hub_cluster, strict)
    codes = []
    for _ in range(8):
        shown = ("hub.v1", f"hub.ticket.{secrets.token_urlsafe(32)}")
        async with await open_with(strict, {}, subprotocols=shown) as tab:
            await tab.until_closed()
            codes.append(tab.code)
    assert codes == [4501] * 5 + [4003] * 3
    assert set(log.names()) == {"authn_login_fail", "excess_rate_limit_exceeded"}
    async with as_user(strict, opened) as user:
        ticket = good(await user.post("/v1/sessions/me/tickets"), 201)["ticket"]
    async with await open_with(strict, {}, subprotocols=("hub.v1", f"hub.ticket.{ticket}")) as tab:
        await tab.until_live()


# 69

DOCUMENT = {"profile": {"small": [1, 2, 3], "big": [7] * 60_000, "deep": {}, "text": "x" * 1000}}
MOST_BYTES = 262_144
CPU_SECONDS = 0.05  # or, where the machine is slow or busy, as long as it takes to read and write the document …
READINGS = 7  # … so often
ATTEMPTS = 12
MOST_MEMORY = 24 * 2**20  # of one request of a MiB, as Python objects; gone afterwards


def json_patch(*operations: Any) -> tuple[str, bytes]:
    return JSON_PATCH, json.dumps(operations).encode()


def bombs() -> dict[str, tuple[str, bytes]]:
    """Small or allowed in size, and asking for much."""
    copy = {"op": "copy", "from": "/profile/small", "path": "/profile/small/-"}
    whole = {"op": "copy", "from": "/profile/big", "path": "/profile/small/-"}
    there = {"op": "move", "from": "/profile/big", "path": "/profile/other"}
    back = {"op": "move", "from": "/profile/other", "path": "/profile/big"}
    return {
        "copies that double": json_patch(*[copy] * 250),
        "many copies of something large": json_patch(*[whole] * 250),
        "something large moved to and fro": json_patch(*[there, back] * 125),
        "the document copied into itself": json_patch(*[{"op": "copy", "from": "/profile", "path": "/profile/x"}] * 20),
        "257 operations": json_patch(*[{"op": "test", "path": "/profile/small/0", "value": 1}] * 257),
        "thousands of operations": json_patch(*[{"op": "add", "path": "/profile/a", "value": 1}] * 15_000),
        "a deep path": json_patch({"op": "add", "path": "/profile" + "/a" * 5000, "value": 1}),
        "a deep path, step by step": json_patch(
            *[{"op": "add", "path": "/profile/deep" + "/a" * n, "value": {}} for n in range(1, 250)]
        ),
        "a deep value": (JSON_PATCH, b'[{"op":"add","path":"/profile/a","value":' + b"[" * 500 + b"]" * 500 + b"}]"),
        "a value too deep to parse": (MERGE, b'{"profile":' + b"[" * 400_000 + b"]" * 400_000 + b"}"),
        "objects too deep to parse": (MERGE, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        **{
            f"index {index}": json_patch({"op": "add", "path": f"/profile/big/{index}", "value": 1})
            for index in ("99999999999999999999", "60001", "-1", "1e3", "00", "٣", "9" * 500_000, "0x1", "+1")
        },
        "a path of escapes": json_patch({"op": "test", "path": "/profile/" + "~1" * 400_000, "value": 1}),
        "a bad escape at the end": json_patch({"op": "add", "path": "/profile/" + "~0" * 400_000 + "~", "value": 1}),
        "a number beyond all": (MERGE, b'{"profile": 1' + b"0" * 400_000 + b"}"),
        "an exponent beyond all": (MERGE, b'{"profile": 1e' + b"9" * 400_000 + b"}"),
        "a hundred thousand sections": (MERGE, json.dumps({f"s{n}": None for n in range(60_000)}).encode()),
        "a hundred thousand members": (MERGE, json.dumps({"profile": {f"m{n}": n for n in range(50_000)}}).encode()),
        "a long name with many members": (
            MERGE,
            json.dumps({"profile": {"n" * 100_000: {str(n): "x" * 20 for n in range(20_000)}}}).encode(),
        ),
        "a value as large as a body may be": (MERGE, json.dumps({"profile": "x" * 1_000_000}).encode()),
        "a test of everything": json_patch(*[{"op": "test", "path": "", "value": {}}] * 256),
    }


def outcome(media_type: str, raw: bytes) -> HubError | list[Any]:
    """What becomes of a body: the refusal, or the ops it makes."""
    try:
        value = loads(raw)
        patch = patches.merge_patch(value) if media_type == MERGE else patches.json_patch(value)
        return patch.ops_for(DOCUMENT, MOST_BYTES)
    except HubError as refusal:
        return refusal


@pytest.mark.parametrize("name", bombs())
def test_69_a_patch_that_asks_for_much_costs_little(name: str) -> None:
    """Each ends within 50 ms of CPU, with a refusal (4xx) or with ops about as large as a document may be; what memory
    it took is given back."""
    media_type, raw = bombs()[name]
    gc.freeze()  # as a node does after its start: what thousands of tests left behind is not gone through each time
    try:  # and a machine that does other things is slow at times
        assert any(is_cheap(media_type, raw) for _ in range(ATTEMPTS))
    finally:
        gc.unfreeze()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        said = outcome(media_type, raw)
        if isinstance(said, HubError):
            assert 400 <= said.status < 500
        else:
            assert len(dumps(said)) < 2 * len(raw) + 2 * MOST_BYTES
        del said
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < MOST_MEMORY
    assert after - before < 2**19  # caches of names, which are bounded


def is_cheap(media_type: str, raw: bytes) -> bool:
    """Whether this took no more CPU time than it may, by what the machine does just now."""
    return seconds_of(media_type, raw) < max(CPU_SECONDS, READINGS * seconds_of_a_reading())


def seconds_of_a_reading() -> float:
    """CPU time that the document takes to be written and read, just now."""
    started = time.thread_time()
    for _ in range(READINGS):
        loads(dumps(DOCUMENT))
    return (time.thread_time() - started) / READINGS


def seconds_of(media_type: str, raw: bytes) -> float:
    """CPU time of one."""
    started = time.thread_time()
    outcome(media_type, raw)
    return time.thread_time() - started


async def test_69_a_node_refuses_them_all_and_stays_as_it_is(hub_cluster: Cluster, node: Node) -> None:
    """Over HTTP and twice over: every one is 4xx, nothing is committed, the node's memory does not grow."""
    opened, bodies = await log_in(hub_cluster, node), bombs()
    async with as_service(node) as service:
        before = good(await merge(service, opened.sid, DOCUMENT))["position"]
        path, sizes = f"/v1/sessions/{opened.sid}/document", []
        for _ in range(3):
            for name, (media_type, raw) in bodies.items():
                answer = await service.patch(path, content=raw, headers={"Content-Type": media_type})
                assert 400 <= answer.status_code < 500, (name, answer.status_code, answer.text[:200])
                assert len(answer.content) < 20_000, name
            sizes.append(resident_bytes(node))
        assert good(await service.get(f"/v1/sessions/{opened.sid}"))["position"] == before
    assert sizes[-1] - sizes[0] < 8 * 2**20, sizes


def resident_bytes(node: Node) -> int:
    """The memory of a node (Linux)."""
    return int(Path(f"/proc/{node.process.pid}/statm").read_text().split()[1]) * 4096
