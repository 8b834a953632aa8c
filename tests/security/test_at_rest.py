"""Threats from whoever can read the store, its files, or the wire to it (``test_tampering.py``: who can write)."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.support.canaries import found
from tests.support.echo import EchoApp
from tests.support.life import Life
from tests.support.nodes import ROOT, Cluster, Node, clean_environment
from tests.support.tls_store import Authority, Tap
from tests.support.waiting import eventually

pytestmark = [pytest.mark.edge, pytest.mark.one_server]

PROTOCOL_WORDS = (b"EVALSHA", b"HGETALL", b"SSUBSCRIBE", b"hub:{")


@asynccontextmanager
async def wiretapped(cluster: Cluster, tap: Tap, echo: EchoApp, **more: str) -> AsyncIterator[Node]:
    """A node whose store is behind the tap."""
    settings: dict[str, Any] = {"HUB_STORE_URL": tap.url, "HUB_APPS__A__UPSTREAM": echo.url, **more}
    node = await asyncio.to_thread(lambda: cluster.node(**settings))
    yield node
    await asyncio.to_thread(node.stop)


@asynccontextmanager
async def everything_said(store: Redis) -> AsyncIterator[list[bytes]]:
    """All that the store is told and that is published meanwhile, ``MONITOR`` and the slow log; filled at the end."""
    heard: list[bytes] = []
    await store.config_set("slowlog-log-slower-than", 0)
    await store.config_set("slowlog-max-len", 10_000)
    await store.slowlog_reset()
    async with store.monitor() as monitor:
        listening = asyncio.create_task(_listen(monitor, heard))
        yield heard
        await store.echo("that-was-all")
        await listening
    heard += [repr(entry).encode() for entry in await store.slowlog_get(10_000)]
    await store.config_set("slowlog-log-slower-than", 10_000)


async def _listen(monitor: Any, heard: list[bytes]) -> None:
    while not heard or b"that-was-all" not in heard[-1]:
        heard.append(str((await monitor.next_command())["command"]).encode("utf-8", "surrogateescape"))


async def everything_kept(store: Redis, folder: Path) -> AsyncIterator[bytes]:
    """Every key by name and ``DUMP``, and the files, before and after they were written anew; all of it unpacked."""
    await store.config_set("rdbcompression", "no")
    async for name in store.scan_iter("*"):
        yield bytes(name)
        yield await store.dump(name) or b""
    yield b"".join(path.read_bytes() for path in files(folder))  # as commands, before they are summed up
    for command in ("BGREWRITEAOF", "BGSAVE"):
        await store.execute_command(command)  # type: ignore[no-untyped-call]

        async def is_done() -> bool:
            said = await store.info("persistence")
            busy = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
            return not any(int(said[name]) for name in busy)

        await eventually(is_done, 10.0)
    assert any(path.suffix == ".rdb" for path in files(folder))
    yield b"".join(path.read_bytes() for path in files(folder))


def files(folder: Path) -> list[Path]:
    """What the store has written."""
    return [path for path in folder.rglob("*") if path.suffix in (".aof", ".rdb", ".log") and path.is_file()]


@pytest.fixture(scope="module")
def echo() -> Iterator[EchoApp]:
    with EchoApp() as app:
        yield app


async def test_48_neither_the_store_nor_the_wire_to_it_shows_a_canary(
    hub_cluster: Cluster, echo: EchoApp, tmp_path: Path
) -> None:
    """Nineteen canaries through a whole life, and none of them, in no encoding, in any dumped key or its name, the AOF
    or RDB files, what the store was told, its slow log, what was published, the TLS on the wire, or what is inside."""
    authority = Authority(tmp_path)
    cert, key = authority.client()
    async with (
        Redis.from_url(hub_cluster.store_url) as store,
        Tap(hub_cluster.store_url, authority.server(asks_clients=True)) as tap,
    ):
        trust = {"CA": authority.file, "CERT": cert, "KEY": key}
        shown = {f"HUB_STORE_{name}_FILE": str(file) for name, file in trust.items()}
        kept: list[bytes] = []

        async def look() -> None:
            kept.extend([piece async for piece in everything_kept(store, hub_cluster.folder)])

        async with wiretapped(hub_cluster, tap, echo, **shown) as node, everything_said(store) as said:
            life = Life(hub_cluster, node)
            await life.live(at_the_height=look)
            await look()
        words = life.words
    assert len(words) >= 19
    assert_was_there(life, said, kept, tap)
    assert found(words, b"\n".join(said)) == [], "the store was told"
    assert found(words, b"\n".join(kept)) == [], "the store keeps"
    assert found(words, bytes(tap.on_the_wire)) == [], "the wire shows"
    assert found(words, bytes(tap.inside)) == [], "inside TLS there is"


def assert_was_there(life: Life, said: list[bytes], kept: list[bytes], tap: Tap) -> None:
    """The control: the search finds canaries in what has them, and what was searched is what it should be."""
    sent = found(life.words, b"\n".join(life.answers))
    assert {"value", "key", "patch", "user", "name", "e-mail", "reason", "session-token", "ticket"} <= set(sent)
    whole_said, whole_kept = b"\n".join(said), b"\n".join(kept)
    for word in (b"EVALSHA", b"XADD", b"SPUBLISH", b"HGETALL"):
        assert word.lower() in whole_said.lower(), word
    assert b"hub:{" in whole_kept
    assert b"REDIS0" in whole_kept or b"VALKEY" in whole_kept
    assert bytes(tap.on_the_wire[:2]) == b"\x16\x03"  # a TLS handshake
    assert len(tap.on_the_wire) > len(tap.inside) > 10_000
    assert all(word in tap.inside for word in PROTOCOL_WORDS)
    assert not any(word in tap.on_the_wire for word in PROTOCOL_WORDS)


async def test_48_without_tls_the_wire_shows_the_protocol_and_still_no_canary(
    hub_cluster: Cluster, echo: EchoApp
) -> None:
    """The control of the wiretap: on a plaintext loopback connection it reads along; what is sealed stays sealed."""
    async with Tap(hub_cluster.store_url) as tap, wiretapped(hub_cluster, tap, echo) as node:
        life = Life(hub_cluster, node)
        await life.live()
    assert all(word in tap.on_the_wire for word in PROTOCOL_WORDS)
    assert found(life.words, bytes(tap.on_the_wire)) == []


async def serve(cluster: Cluster, url: str, **more: str) -> tuple[int, str]:
    """``hub serve`` that is not going to start: its exit code and what it says."""
    settings = {"HUB_STORE_URL": url, "HUB_KEYS__FILE": str(cluster.ring), "HUB_BIND": "127.0.0.1:0", **more}
    command = [sys.executable, "-m", "hub", "serve", "--config", str(cluster.folder / "hub.toml")]
    process = await asyncio.create_subprocess_exec(
        *command, env=clean_environment() | settings, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(15):
            _, errors = await process.communicate()
    except TimeoutError:
        raise AssertionError("the node runs, instead of refusing to") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return await process.wait(), errors.decode()


Setting = Callable[[Cluster, Path, Authority], tuple[Tap, dict[str, str]]]


def another_authority(cluster: Cluster, folder: Path, ours: Authority) -> tuple[Tap, dict[str, str]]:
    """The store's certificate comes from somebody else."""
    return Tap(cluster.store_url, Authority(folder, "theirs").server()), {"HUB_STORE_CA_FILE": str(ours.file)}


def no_authority(cluster: Cluster, _: Path, ours: Authority) -> tuple[Tap, dict[str, str]]:
    """Nobody said that our authority counts."""
    return Tap(cluster.store_url, ours.server()), {}


def another_host(cluster: Cluster, _: Path, ours: Authority) -> tuple[Tap, dict[str, str]]:
    """The certificate is that of another host."""
    return Tap(cluster.store_url, ours.server("store.example.com")), {"HUB_STORE_CA_FILE": str(ours.file)}


def plaintext(cluster: Cluster, _: Path, ours: Authority) -> tuple[Tap, dict[str, str]]:
    """There is no TLS at the other end."""
    return Tap(cluster.store_url), {"HUB_STORE_CA_FILE": str(ours.file)}


def no_client_certificate(cluster: Cluster, _: Path, ours: Authority) -> tuple[Tap, dict[str, str]]:
    """The store wants to see a certificate, and the node has none."""
    return Tap(cluster.store_url, ours.server(asks_clients=True)), {"HUB_STORE_CA_FILE": str(ours.file)}


SETTINGS: dict[Setting, str] = {
    another_authority: "store_url: the store's certificate is not accepted: ",
    no_authority: "store_url: the store's certificate is not accepted: ",
    another_host: "store_url: the store's certificate is not accepted: Hostname mismatch",
    plaintext: "store_url: no TLS connection to the store: ",
    no_client_certificate: "store_url: no TLS connection to the store: ",
}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.__name__)
async def test_48_a_store_that_is_not_trusted_gets_not_one_command(
    hub_cluster: Cluster, tmp_path: Path, setting: Setting
) -> None:
    """The node does not start, says why in one line, and falls back to nothing."""
    tap, more = setting(hub_cluster, tmp_path, Authority(tmp_path))
    async with tap:
        code, said = await serve(hub_cluster, tap.url.replace("redis:", "rediss:"), **more)
    assert code == 2, said
    (line,) = said.strip().splitlines()
    assert SETTINGS[setting] in line
    assert not any(word in tap.on_the_wire for word in (b"PING", b"TIME", b"HELLO", *PROTOCOL_WORDS))
