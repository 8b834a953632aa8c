"""Clusters that are named wrongly or not to be trusted are refused with the reason; TLS and few rights are enough."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from redis.exceptions import ConnectionError as RedisConnectionError

from hub.core.ports import Done
from hub.core.session import user_tag
from hub.errors import ConfigurationError, HubError
from hub.store.connecting import StoreTls, Ways
from hub.store.examining import examine
from hub.store.keyring import KeyRing
from hub.store.shards import Shards
from hub.store.slots import SLOTS
from hub.store.store import Store
from hub.store.store_url import StoreUrl
from tests.store.clusters import Place
from tests.store.conftest import Ear
from tests.store.conftest import Place as Single
from tests.support.clustered import Member
from tests.support.ports import free_port
from tests.support.replicated import Server, wait_for
from tests.support.sessions import commit, committed, opening, read

pytestmark = [pytest.mark.contract, pytest.mark.timeout(60)]

ACL = Path(__file__).parents[2] / "deploy" / "compose" / "valkey.acl"
PASSWORD = "canary-of-a-password"


async def start(url: str, ring: KeyRing, tls: StoreTls | None = None) -> None:
    """A node's store, started and stopped."""
    store = Store(url, ring, "node", tls)
    try:
        await store.start(Ear())
    finally:
        await store.stop()


async def test_one_server_of_a_cluster_is_not_the_store(cluster_place: Place) -> None:
    """Its keys are a part of all; the line says how to name the cluster."""
    url = f"redis://127.0.0.1:{cluster_place.cluster.owners()[0].port}"
    with pytest.raises(ConfigurationError, match=r"redis\+cluster://"):
        await start(url, cluster_place.ring)


async def test_a_server_that_is_no_cluster_is_not_named_as_one(tmp_path: Path, cluster_place: Place) -> None:
    """Again with how to name it, by the doctor too."""
    server = Server(tmp_path / "single", free_port())
    server.start()
    url = f"redis+cluster://127.0.0.1:{server.port}"
    try:
        with pytest.raises(ConfigurationError, match="is no cluster; name it with redis://"):
            await start(url, cluster_place.ring)
        [found] = await examine(url, StoreTls())
        assert (found.state, "is no cluster" in found.said) == ("failed", True)
    finally:
        server.kill()


async def test_a_cluster_that_is_away_needs_patience_only(cluster_place: Place) -> None:
    """503 for whoever asks, not a wrong configuration."""
    url = f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}"
    with pytest.raises(HubError) as raised:
        await start(url, cluster_place.ring)
    assert not isinstance(raised.value, ConfigurationError)
    [found] = await examine(url, StoreTls())
    assert (found.state, "does not answer" in found.said) == ("failed", True)


async def test_a_cluster_without_slots_is_told_what_it_lacks(tmp_path: Path, cluster_place: Place) -> None:
    """It was never created."""
    with alone(tmp_path, is_served=False) as server, pytest.raises(ConfigurationError, match="serves no slots"):
        await start(f"redis+cluster://127.0.0.1:{server.port}", cluster_place.ring)


async def test_nothing_leaves_this_machine_in_plaintext() -> None:
    """A server on loopback may name another one elsewhere; that needs TLS."""
    plain, secured = (Ways(StoreUrl.parse(f"{scheme}+cluster://127.0.0.1")) for scheme in ("redis", "rediss"))
    with pytest.raises(RedisConnectionError, match="TLS"):
        plain.topology.connect(("192.0.2.1", 6379))
    assert not secured.topology.connect(("192.0.2.1", 6379)).is_connected
    assert not plain.topology.connect(("127.0.0.1", 6379)).is_connected


async def test_a_store_of_one_primary_is_one_shard_that_is_never_looked_for(place: Single) -> None:
    """The same code, and nothing of a cluster is asked."""
    shards = Shards(place.url)
    (only,) = shards.all
    assert (shards.is_cluster, only.slots, only.probe()) == (False, None, "hub:probe")
    assert shards.of("hub:{a}") is shards.of_tag("b") is only
    await shards.find()
    await shards.look()
    assert shards.all == [only]
    await shards.close()


# TLS and users: one server that serves all slots is a cluster


@contextmanager
def alone(folder: Path, *lines: str, is_served: bool = True, options: dict[str, Any] | None = None) -> Iterator[Member]:
    """A cluster of one server, of Debian's program, which can speak TLS."""
    program = shutil.which("redis-server")
    assert program, "no redis-server on the path (apt install redis-server)"
    port = free_port()
    more = [line.replace("{port}", str(port)) for line in lines]
    more += ["cluster-enabled yes", f"cluster-port {free_port()}"]
    server = Member(folder / f"alone-{port}", port, more, program=program, options=options or {})
    server.start()
    try:
        if is_served:
            assert server.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
            wait_for(lambda: server.info().get("cluster_state") == "ok")
        yield server
    finally:
        server.kill()


@dataclass
class Secured:
    """A cluster that speaks TLS only, with the users of ``deploy/``."""

    server: Member
    tls: StoreTls

    def url(self, password: str = PASSWORD) -> str:
        """Of the hub's user."""
        return f"rediss+cluster://hub:{password}@127.0.0.1:{self.server.port}"


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    """Started."""
    authority, ca, cert = trustme.CA(), tmp_path / "ca.pem", tmp_path / "cert.pem"
    authority.cert_pem.write_to_path(ca)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(cert)
    user = next(line for line in ACL.read_text().splitlines() if line.startswith("user hub"))
    lines = [f"tls-cert-file {cert}", f"tls-key-file {cert}", f"tls-ca-cert-file {ca}", "tls-auth-clients no", "port 0"]
    lines += ["tls-port {port}", "tls-cluster yes", "user default off", "user setup on >setup ~* &* +@all"]
    lines += [user.replace("#${HUB_STORE_PASSWORD_SHA256}", f">{PASSWORD}")]
    options = {"ssl": True, "ssl_ca_certs": str(ca), "username": "setup", "password": "setup"}
    with alone(tmp_path, *lines, options=options) as server:
        yield Secured(server, StoreTls(ca))


async def test_tls_and_the_user_of_the_deployment(secured: Secured, cluster_place: Place) -> None:
    """A whole node's store works with these rights and no more: opened, committed to, heard, ended, examined."""
    ear, store = Ear(), Store(secured.url(), cluster_place.ring, "node", secured.tls)
    await store.start(ear)
    try:
        session = await opening(store).live()
        await store.subscribe(user_tag(session.sid))
        assert isinstance(await commit(store, session, cart={"n": 1}), Done)
        await committed(store, await read(store, session.sid), cart={"n": 2})
        await ear.until(lambda: len(ear.heard) == 2)
        said = {"detail": "", "actor": "service:test", "request_id": "request"}
        assert (await store.end([session.sid], "revoked", **said)).count == 1
    finally:
        await store.stop()
    found = await examine(secured.url(), secured.tls)
    assert {each.name: each.said for each in found if each.state == "failed"} == {}
    assert "cluster replicas" in {each.name for each in found if each.state == "warn"}
    assert PASSWORD not in str(found)


async def test_what_ends_a_start_for_good(secured: Secured, cluster_place: Place) -> None:
    """A wrong password, a certificate of other authorities, and a user that may not ask who serves what."""
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match="user and password"):
        await start(secured.url("wrong"), cluster_place.ring, secured.tls)
    with pytest.raises(ConfigurationError, match="certificate"):
        await start(secured.url(), cluster_place.ring, StoreTls())
    assert secured.server.ask("ACL", "SETUSER", "hub", "-cluster|slots")
    with pytest.raises(ConfigurationError, match=r"\+cluster\|slots"):
        await start(secured.url(), cluster_place.ring, secured.tls)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("denied", ["asking", "cluster|nodes"])
async def test_the_doctor_names_the_rights_that_are_missing(secured: Secured, denied: str) -> None:
    """Before the first slot is on its way."""
    assert secured.server.ask("ACL", "SETUSER", "hub", f"-{denied}")
    lines = [each for each in await examine(secured.url(), secured.tls) if each.state == "failed"]
    assert any(f"+{denied}" in each.to_do for each in lines), lines
