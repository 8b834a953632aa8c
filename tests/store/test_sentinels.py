"""Finding the primary: whose word counts among sentinels, and that no word counts against what a server says itself."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from hub.core.ports import Done
from hub.errors import ConfigurationError
from hub.store.connecting import Connect, StoreTls, check, connector, establish
from hub.store.keyring import KeyRing
from hub.store.lanes import Waiting
from hub.store.sentinels import Sentinels
from hub.store.store import Store
from hub.store.store_url import Address
from tests.store.conftest import Ear
from tests.support.ports import free_port
from tests.support.replicated import NAME, Server, wait_for
from tests.support.sessions import commit, opening

pytestmark = pytest.mark.contract

UNKNOWN = b"-ERR No such master with that name\r\n"
SILENT = b""


def named(port: int, epoch: int = 1, host: str = "127.0.0.1") -> bytes:
    """What a sentinel says of a primary."""
    words = ["name", NAME, "ip", host, "port", str(port), "flags", "master", "config-epoch", str(epoch)]
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)


@asynccontextmanager
async def sentinels(*replies: bytes, path: str = NAME) -> AsyncIterator[str]:
    """The URL of sentinels that give these answers to everything."""
    gone = asyncio.Event()

    async def serve(reply: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(reply)
        writer.close()
        gone.set()

    async with AsyncExitStack() as stack:
        ports = []
        for reply in replies:

            def accept(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: bytes = reply
            ) -> asyncio.Task[None]:
                return asyncio.ensure_future(serve(reply, reader, writer))

            server = await asyncio.start_server(lambda *ends, accept=accept: accept(*ends) and None, "127.0.0.1", 0)
            stack.push_async_callback(server.wait_closed)
            stack.callback(server.close)
            ports.append(server.sockets[0].getsockname()[1])
        yield f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in ports)}/{path}"


def known(connect: Connect) -> Sentinels:
    """Those of a connector; it must have some."""
    assert isinstance(connect.guide, Sentinels)
    return connect.guide


@dataclass
class Pair:
    """A primary and a replica."""

    primary: int
    replica: int


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Ports of both."""
    folder = tmp_path_factory.mktemp("pair")
    primary, replica = (Server(folder / name, free_port()) for name in ("primary", "replica"))
    primary.start()
    replica.start(f"replicaof 127.0.0.1 {primary.port}")
    yield Pair(primary.port, replica.port)
    for server in (replica, primary):
        server.kill()


def test_the_url_names_sentinels_and_two_kinds_of_credentials() -> None:
    """User and password before the hosts are for data, those of the query for sentinels; ports have a default."""
    url = "redis+sentinel://hub:p%40ss@127.0.0.1,[::1]:5/main?sentinel_username=watch&sentinel_password=word&db=3"
    connect = connector(url)
    found = known(connect)
    assert (found.addresses, found.name) == ((("127.0.0.1", 26379), ("::1", 5)), "main")
    data: Any = connect()
    assert (data.username, data.password, data.db) == ("hub", "p@ss", 3)
    sentinel: Any = found._connect(("127.0.0.1", 1))
    assert (sentinel.username, sentinel.password, sentinel.db) == ("watch", "word", 0)
    assert (sentinel.host, sentinel.port) == ("127.0.0.1", 1)


def test_one_server_has_no_sentinels() -> None:
    """Its place does not change."""
    assert connector("redis://127.0.0.1").guide is None


@pytest.mark.parametrize(
    ("replies", "port"),
    [
        ([named(1), named(1), named(1)], 1),
        ([named(2, 7), named(2, 7), named(1, 6)], 2),
        ([named(1, 6), named(2, 7)], 2),
        ([UNKNOWN, named(4, 2), b"-LOADING\r\n"], 4),
        ([b"*1\r\n$3\r\nall\r\n", b"+PONG\r\n", named(5)], 5),
        ([SILENT, named(3), named(3)], 3),
    ],
    ids=["agreed", "newest", "split", "one-knows", "one-makes-sense", "one-is-silent"],
)
async def test_the_newest_configuration_counts(replies: list[bytes], port: int) -> None:
    """And nobody waits for the last sentinel when most have answered."""
    async with sentinels(*replies) as url, asyncio.timeout(0.9):
        assert await known(connector(url)).primary() == ("127.0.0.1", port)


async def test_a_move_is_told_once() -> None:
    """To whoever listens, when it is another one than before; not when it is known first."""
    async with sentinels(named(1)) as first, sentinels(named(2)) as second:
        found, told = known(connector(first)), list[Address | None]()
        found.on_moved = lambda: told.append(found.current)
        assert await found.primary() == ("127.0.0.1", 1)
        found.addresses = known(connector(second)).addresses
        await found.primary()
        await found.primary()
        assert told == [("127.0.0.1", 2)]


@pytest.mark.parametrize(
    ("replies", "port"),
    [
        ([named(1, 6), b"-LOADING\r\n", b"-LOADING\r\n"], None),
        ([named(2, 7), b"-LOADING\r\n", b"-LOADING\r\n"], 2),
        ([named(1, 6), named(1, 6), b"-LOADING\r\n"], 1),
    ],
    ids=["older-from-few", "known-from-few", "older-from-most"],
)
async def test_few_sentinels_cannot_lead_back(replies: list[bytes], port: int | None) -> None:
    """One that was on the side of a primary since replaced is not believed alone; what most say is so."""
    async with sentinels(named(2, 7), named(2, 7), named(2, 7)) as before, sentinels(*replies) as now:
        found = known(connector(before))
        await found.primary()
        found.addresses = known(connector(now)).addresses
        if port is None:
            with pytest.raises(RedisConnectionError, match="newest"):
                await found.primary()
        else:
            assert await found.primary() == ("127.0.0.1", port)


@pytest.mark.parametrize(
    ("replies", "do_they"),
    [
        ([named(1), named(1), named(2)], True),
        ([named(1), named(1), b"-LOADING\r\n"], True),
        ([named(1), b"-LOADING\r\n", b"-LOADING\r\n"], False),
        ([named(2), named(2), named(1)], False),
        ([b"-LOADING\r\n"], False),
    ],
)
async def test_most_is_of_all_there_are(replies: list[bytes], do_they: bool) -> None:
    """Not of those that can be reached."""
    async with sentinels(*replies) as url:
        assert await known(connector(url)).do_most_name(("127.0.0.1", 1)) is do_they


async def test_a_server_that_is_no_primary_is_not_trusted(pair: Pair) -> None:
    """Whatever the sentinels say; the primary itself is."""
    async with sentinels(named(pair.replica)) as url:
        connection = connector(url)()
        with pytest.raises(RedisConnectionError, match="no primary"):
            await establish(connection)
        assert not connection.is_connected
    async with sentinels(named(pair.primary)) as url:
        connection = connector(url)()
        await establish(connection)
        await connection.disconnect()


async def test_a_connection_made_during_an_outage_is_not_used_after_it(pair: Pair, tmp_path: Path) -> None:
    """A call that was still queued when the store was given up went to the old primary: nobody is answered over that
    connection once the store is back somewhere else."""
    KeyRing.create(tmp_path / "keys.toml")
    alone = Server(tmp_path / "alone", free_port())
    alone.start()
    async with sentinels(named(pair.primary)) as before, sentinels(named(alone.port)) as after:
        store = Store(before, KeyRing.load(tmp_path / "keys.toml"), "node")
        (shard,) = store.shards.all
        shard.health.failed("maintenance")
        late: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        shard.calls._plain.put(Waiting(("INFO", "server"), late))
        assert f"tcp_port:{pair.primary}".encode() in await late
        known(shard.connect).addresses = known(connector(after)).addresses
        shard.health._enter("live")
        assert f"tcp_port:{alone.port}".encode() in await shard.calls.call("INFO", "server")
        await store.stop()
    alone.kill()


async def test_nothing_leaves_this_machine_in_plaintext() -> None:
    """A sentinel on loopback may name a primary elsewhere; that needs TLS."""
    async with sentinels(named(6379, host="192.0.2.1")) as url:
        with pytest.raises(RedisConnectionError, match="TLS"):
            await known(connector(url)).primary()


async def test_what_ends_a_start_for_good() -> None:
    """A name that no sentinel knows, and a password that none accepts; sentinels that are away only need patience."""
    async with sentinels(UNKNOWN, UNKNOWN, path="other") as url:
        with pytest.raises(ConfigurationError, match="watch no primary"):
            await check(connector(url))
    async with sentinels(b"-WRONGPASS invalid username-password pair\r\n") as url:
        with pytest.raises(ConfigurationError, match="user and password"):
            await check(connector(f"{url}?sentinel_password=canary"))
    away = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/{NAME}"
    await check(connector(away))
    with pytest.raises((RedisError, OSError)):
        await known(connector(away)).primary()


# TLS and users, on a real sentinel


@dataclass
class Secured:
    """A primary and a sentinel that speak TLS only and want to know who asks."""

    url: str
    tls: StoreTls


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    """Of Debian's server, which can speak TLS."""
    program = shutil.which("redis-server")
    assert program, "no redis-server on the path (apt install redis-server)"
    authority, ca, cert = trustme.CA(), tmp_path / "ca.pem", tmp_path / "cert.pem"
    authority.cert_pem.write_to_path(ca)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(cert)
    files = [f"tls-cert-file {cert}", f"tls-key-file {cert}", f"tls-ca-cert-file {ca}"]
    tls = [*files, "tls-auth-clients no", "tls-replication yes", "port 0"]
    options = {"ssl": True, "ssl_ca_certs": str(ca)}
    user = ["user default off", "user hub on >data-secret ~hub:* &hub:* +@all -@admin -@dangerous +role +info"]
    user += ["user watch on >watch-secret ~* &* +@all"]
    data, sentinel = Server(tmp_path / "data", free_port()), Server(tmp_path / "sentinel", free_port())
    data.program = sentinel.program = program
    data.more, data.options = [*tls, f"tls-port {data.port}", *user], options | _login("watch", "watch-secret")
    sentinel.more = [*tls, f"tls-port {sentinel.port}", "requirepass ask-secret"]
    sentinel.is_sentinel, sentinel.options = True, options | {"password": "ask-secret"}
    data.start()
    monitor = [f"sentinel monitor {NAME} 127.0.0.1 {data.port} 1", f"sentinel auth-user {NAME} watch"]
    sentinel.start(*monitor, f"sentinel auth-pass {NAME} watch-secret")
    wait_for(lambda: sentinel.ask("SENTINEL", "MASTER", NAME) is not None)
    url = f"rediss+sentinel://hub:data-secret@127.0.0.1:{sentinel.port}/{NAME}?sentinel_password=ask-secret"
    yield Secured(url, StoreTls(ca))
    for server in (sentinel, data):
        server.kill()


def _login(username: str, password: str) -> dict[str, str]:
    return {"username": username, "password": password}


@pytest.mark.redis_server
async def test_tls_and_users_for_data_and_sentinels(secured: Secured, tmp_path: Path) -> None:
    """A whole node's store works that way; with a wrong password for either, or other authorities, none."""
    KeyRing.create(tmp_path / "keys.toml")
    store = Store(secured.url, KeyRing.load(tmp_path / "keys.toml"), "node", secured.tls)
    await store.start(Ear())
    try:
        session = await opening(store).live()
        assert isinstance(await commit(store, session, cart={"n": 1}), Done)
    finally:
        await store.stop()
    for wrong in ("data-secret", "ask-secret"):
        with pytest.raises(ConfigurationError, match="user and password"):
            await check(connector(secured.url.replace(wrong, "wrong"), secured.tls))
    with pytest.raises(ConfigurationError, match="certificate"):
        await check(connector(secured.url, StoreTls()))
