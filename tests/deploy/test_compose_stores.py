"""``deploy/compose/sentinel.yml`` and ``cluster.yml``, held against what they refer to; nothing is running here."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from hub.settings import load_settings
from tests.deploy.compose_files import OVERS, compose_file
from tests.deploy.many_servers import ManyServers, passwords
from tests.support.nodes import ROOT

STORE = ROOT / "deploy" / "compose" / "store"


@pytest.fixture(scope="module", params=OVERS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ManyServers:
    """What ``init.sh`` makes."""
    return ManyServers(tmp_path_factory.mktemp(request.param), request.param)


def servers_of(site: ManyServers) -> dict[str, dict[str, Any]]:
    """The store's services."""
    return {name: site.services[name] for name in site.servers}


def test_every_file_volume_and_service_that_is_named_exists(site: ManyServers) -> None:
    """Mounts, env files, what one waits for, networks; and none but the nodes changes of what was there."""
    whole, plain = compose_file(site.over), compose_file()
    for name, service in whole["services"].items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in whole["volumes"] or Path(site.host_path(source)).exists(), (name, source)
        for file in service.get("env_file", ()):
            assert Path(site.host_path(f"./{file}")).is_file(), (name, file)
        assert set(service.get("depends_on", ())) <= whole["services"].keys()
        assert set(service["networks"]) <= whole["networks"].keys()
        assert service["read_only"] is True
        assert service.get("restart", "no") == ("no" if name in ("cluster", "operator") else "unless-stopped")
    changed = {name for name, service in plain["services"].items() if service != whole["services"][name]}
    assert changed == {"hub-1", "hub-2", "valkey"}
    assert whole["networks"]["store"]["internal"] is True


def test_each_server_has_a_place_of_its_own(site: ManyServers) -> None:
    """Data, address and announced name; addresses are fixed, in the network, and none that others are given."""
    (config,) = compose_file(site.over)["networks"]["store"]["ipam"]["config"]
    found = servers_of(site)
    addresses = [service["networks"]["store"]["ipv4_address"] for service in found.values()]
    volumes = [volume for service in found.values() for volume in service["volumes"] if volume.endswith(":/data")]
    assert len(found) == len(set(addresses)) == len(set(volumes)) == 6
    for address in map(ipaddress.ip_address, addresses):
        assert address in ipaddress.ip_network(config["subnet"])
        assert address not in ipaddress.ip_network(config["ip_range"])
    for name, service in found.items():
        announced = [word for word in service["command"] if word in found]
        assert announced == [name]
        assert service["image"] == found["valkey"]["image"]
    if site.over == "cluster":
        assert site.services["cluster"]["command"][1:] == addresses
        for service, address in zip(found.values(), addresses, strict=True):
            assert service["command"][-3:-1] == [address, "--cluster-announce-hostname"]
    else:
        hosts = {f"{name}:{address}" for name, address in zip(found, addresses, strict=True)}
        assert all(set(service["extra_hosts"]) == hosts for service in found.values())


def test_certificates_fit_every_name_by_which_a_server_is_called(site: ManyServers) -> None:
    """Those that servers announce, and those in the nodes' URL. A server's is a client's as well, the site's is not."""
    url = compose_url(site)
    named = {address.split(":")[0] for address in url.rpartition("@")[2].partition("/")[0].split(",")}
    assert named <= set(site.servers)
    certificate = x509.load_pem_x509_certificate((site.secrets / "store.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {*site.servers, "localhost"} <= set(names.get_values_for_type(x509.DNSName))
    assert ipaddress.ip_address(site.address("valkey")) in names.get_values_for_type(x509.IPAddress)
    client = x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH
    for file, is_both in (("store.pem", True), ("site.pem", False)):
        made = x509.load_pem_x509_certificate((site.secrets / file).read_bytes())
        usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert (client in usage) is is_both


def compose_url(site: ManyServers) -> str:
    """As the nodes' containers have it."""
    return (site.secrets / f"hub-{site.over}.env").read_text().split("\n")[0].removeprefix("HUB_STORE_URL=")


def test_the_nodes_environment_is_a_configuration(site: ManyServers) -> None:
    """Both nodes have the same but for their addresses, with TLS, and no acknowledgement without a second server."""
    addresses = {"HUB_BIND": "", "HUB_METRICS_BIND": ""}
    for name in ("hub-1", "hub-2"):
        given = site.environment(name)
        settings = load_settings(ROOT / "demo_apps" / "hub.toml", given | {"HUB_STORE_URL": compose_url(site)})
        assert settings.store_url.startswith(f"rediss+{site.over}://")
        assert settings.durability == "replicated:1"
    assert site.environment("hub-1") | addresses == site.environment("hub-2") | addresses


def test_every_user_has_a_password_of_its_own_and_no_file_has_one_in_the_open(site: ManyServers) -> None:
    """ACL files hold hashes; what is in the repository holds neither; nobody is ``default``."""
    words = [word for who, word in passwords(site.secrets).items() if who != "health"]
    assert len(set(words)) == len(words) == 5
    for folder in ("replicated", "sentinel", "cluster"):
        text = (site.secrets / folder / "users.acl").read_text()
        assert not any(word in text for word in words)
        assert "${" not in text
        for line in text.splitlines():
            _, who, state, secret, *rules = line.split()
            assert (state == "off") is (who == "default")
            assert who == "default" or "-@all" in rules
            assert who in ("default", "health") or re.fullmatch(r"#[0-9a-f]{64}", secret)
            assert who in ("default", "hub") or not any(rule.startswith(("~", "%")) for rule in rules), "a key"
    for file in STORE.iterdir():
        assert not re.search(r"[0-9a-f]{32}", file.read_text()), file


def test_servers_speak_tls_only() -> None:
    """To clients, to replicas and to each other, in every file that starts one."""
    shared = (STORE / "tls.conf").read_text().splitlines()
    assert {"port 0", "tls-replication yes"} <= set(shared)
    for name in ("replicated", "sentinel", "cluster"):
        lines = (STORE / f"{name}.conf").read_text().splitlines()
        assert "include /etc/store/tls.conf" in lines
        assert any(line.startswith("tls-port ") for line in lines)
    assert "tls-cluster yes" in (STORE / "cluster.conf").read_text().splitlines()
