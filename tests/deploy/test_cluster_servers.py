"""Servers of a cluster among themselves, with their own files, on a program that speaks TLS."""

from __future__ import annotations

import socket
import ssl

import pytest
from redis.exceptions import NoPermissionError

from tests.deploy.many_servers import ManyServers, is_answered_in_the_open
from tests.support.waiting import becomes

pytestmark = [pytest.mark.proxies, pytest.mark.redis_server]

PAIRS = {"valkey": "valkey-4", "valkey-2": "valkey-5", "valkey-3": "valkey-6"}
BUS = 10000  # how far a server's port for the others is above the one for clients


def test_a_cluster_is_made_once(cluster: ManyServers) -> None:
    """Three primaries with a replica each; the same again changes nothing. Clients are told the announced names."""
    again = cluster.run("cluster")
    assert (again.returncode, again.stdout) == (0, "there is a cluster already\n")
    shares = cluster.ask("valkey-6", "CLUSTER", "SLOTS")
    assert [cluster.called(share[2][0].decode()) for share in shares] == list(PAIRS)
    for primary, replica in PAIRS.items():
        assert becomes(lambda replica=replica: cluster.role(replica)[3:4] == [b"connected"], 10)  # type: ignore[misc]
        assert cluster.called(cluster.role(replica)[1].decode()) == primary


def test_they_say_nothing_in_the_open_and_are_well(cluster: ManyServers) -> None:
    """Each one's health check gets through."""
    for name in cluster.servers:
        assert not is_answered_in_the_open(cluster, name), name
        assert cluster.health(name) == 0


@pytest.mark.parametrize("shown", [None, "site"], ids=["no-certificate", "the-website's"])
def test_nobody_joins_a_cluster_without_a_servers_certificate(cluster: ManyServers, shown: str | None) -> None:
    """The servers' own port asks for one that is made for it; the one of the website is by the same authority."""
    for certificate, may in ((shown, False), ("store", True)):
        trust = ssl.create_default_context(cafile=str(cluster.secrets / "ca.pem"))
        trust.maximum_version = ssl.TLSVersion.TLSv1_2  # there the refusal is part of the handshake
        if certificate:
            trust.load_cert_chain(cluster.secrets / f"{certificate}.pem", cluster.secrets / f"{certificate}-key.pem")
        address = cluster.address("valkey")
        with socket.create_connection((address, cluster.port("valkey") + BUS), timeout=5) as bare:
            if may:
                with trust.wrap_socket(bare, server_hostname=address) as joined:
                    assert joined.version() == "TLSv1.2"
            else:
                with pytest.raises((ssl.SSLError, ConnectionResetError)):
                    trust.wrap_socket(bare, server_hostname=address)


REFUSED = {
    "hub": "KEYS *, CONFIG GET *, FLUSHALL, CLUSTER MEET 127.0.0.1 1, CLUSTER FAILOVER, MIGRATE a 1 b 0 1",
    "replica": "GET hub:x, SCAN 0, INFO, CLUSTER NODES, REPLICAOF NO ONE",
    "operator": "GET hub:x, SCAN 0, CONFIG GET *, CLUSTER RESET, CLUSTER FORGET x, CLUSTER DELSLOTS 1, SHUTDOWN",
    "health": "GET hub:x, INFO, CLUSTER NODES",
}


@pytest.mark.parametrize("who", REFUSED)
def test_users_of_a_cluster_may_do_nothing_else(cluster: ManyServers, who: str) -> None:
    """No key but the hub's, no configuration, and nothing that takes a cluster apart."""
    with cluster.client("valkey", who) as client:
        for words in REFUSED[who].split(", "):
            with pytest.raises(NoPermissionError):
                client.execute_command(*words.split())
