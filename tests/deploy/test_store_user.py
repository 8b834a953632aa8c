"""The store of the compose file and its users: what they may do, what they may not, and that a hub needs no more."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from redis.exceptions import AuthenticationError, AuthenticationWrongNumberOfArgsError, NoPermissionError

from hub.store.rehearsing import commands, name_of
from tests.deploy.composed import Composed, composed
from tests.edge import test_spine
from tests.support.nodes import ROOT, Cluster, clean_environment, cluster

DEPLOY = ROOT / "deploy"


def test_the_store_lets_a_hub_do_what_its_scripts_and_nodes_do_and_nothing_else() -> None:
    """The user's commands are those the hub rehearses, and those its scripts call are among them."""
    (line,) = re.findall(r"^user hub .+$", (DEPLOY / "compose" / "valkey.acl").read_text(), flags=re.MULTILINE)
    allowed = {word[1:] for word in line.split() if word.startswith("+")}
    rehearsed = {name_of(command).lower() for command in commands("0" * 16, in_cluster=True)}
    assert allowed == rehearsed | {"evalsha", "ssubscribe", "sunsubscribe", "info"}
    scripts = "".join(path.read_text() for path in (ROOT / "hub" / "store" / "scripts").glob("*.lua"))
    assert {name.lower() for name in re.findall(r"redis\.call\('(\w+)'", scripts)} <= allowed
    assert "-@all" in line.split()


def test_nobody_is_the_default_user_and_it_may_do_everything() -> None:
    """With no password and off; many versions read back only what that user may write, and drop the rest."""
    (line,) = re.findall(r"^user default .+$", (DEPLOY / "compose" / "valkey.acl").read_text(), flags=re.MULTILINE)
    assert line.split()[2:] == ["off", "~*", "&*", "+@all"]


@pytest.mark.e2e
def test_what_scripts_wrote_is_there_after_a_restart() -> None:
    """Stopped as ``docker compose stop`` does it, and started on its file."""
    with composed("valkey") as made:
        with made.store() as client:
            client.eval("redis.call('SET', KEYS[1], 1) redis.call('SET', KEYS[2], 2)", 2, "hub:{a}:1", "hub:{a}:2")
        made.processes["valkey"].terminate()
        assert made.processes["valkey"].wait(20) == 0
        made.start("valkey")
        with made.store() as client:
            assert [client.get(key) for key in ("hub:{a}:1", "hub:{a}:2")] == [b"1", b"2"]


@pytest.fixture(scope="module")
def store() -> Iterator[Composed]:
    """The store alone, with its configuration and users."""
    with composed("valkey") as made:
        yield made


@pytest.fixture(scope="module")
def hub(store: Composed) -> Iterator[Cluster]:
    """A cluster on that store, as its user."""
    with cluster() as made:
        made.store_url = store.store_url
        if store.is_tls_store:
            text = (made.folder / "hub.toml").read_text()
            (made.folder / "hub.toml").write_text(f'store_ca_file = "{store.secrets / "ca.pem"}"\n{text}')
        yield made


@pytest.mark.e2e
@pytest.mark.parametrize(
    "refused",
    [
        *("FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG SET maxmemory 1", "CONFIG GET *", "ACL LIST", "SHUTDOWN", "MONITOR"),
        *("SCRIPT FLUSH", "CLIENT LIST", "GET other", "SET other 1", "SUBSCRIBE hub:x", "SAVE"),
        *("SPUBLISH other x", "RENAME hub:a hub:b", "REPLICAOF NO ONE", "FUNCTION LIST", "MODULE LIST", "DUMP hub:x"),
    ],
)
def test_the_hubs_user_is_refused(store: Composed, refused: str) -> None:
    """What no hub needs, and what is not the hub's."""
    with store.store() as client, pytest.raises(NoPermissionError):
        client.execute_command(*refused.split())


@pytest.mark.e2e
def test_nobody_else_comes_in(store: Composed) -> None:
    """No user without a name, none with a wrong password; the health check's may ask for PING alone."""
    password = store.store_url.split(":")[2].split("@")[0]
    for who in (":", "hub:wrong", f":{password}", f"default:{password}", f"other:{password}"):
        with store.store(who) as client, pytest.raises((AuthenticationError, AuthenticationWrongNumberOfArgsError)):
            client.ping()
    with store.store("health:none") as client:
        assert client.ping()
        with pytest.raises(NoPermissionError):
            client.get("hub:x")


@pytest.mark.e2e
async def test_a_hub_lives_its_whole_life_as_that_user(hub: Cluster) -> None:
    """Two nodes: commits, tabs, ends, universal log-out; then the command line that reads and reseals the store."""
    nodes = hub.node(), hub.node()
    await test_spine.test_a_commit_through_either_node_reaches_every_tab(hub, nodes)
    await test_spine.test_an_end_reaches_every_tab_and_nothing_follows(hub, nodes)
    await test_spine.test_a_universal_log_out_ends_all_sessions_of_a_user_only(hub, nodes)
    for command in ("audit verify --all", "audit export", "keys reseal"):
        done = run(hub, *command.split())
        assert done.returncode == 0, (command, done.stderr)
    for node in nodes:
        assert "NOPERM" not in hub.log(node)
        assert "mode" not in hub.log(node)


@pytest.mark.e2e
def test_the_doctor_is_content_with_that_user(hub: Cluster) -> None:
    """Every line about the store is fine; the password is in none."""
    done = run(hub, "doctor")
    about = [line for line in done.stdout.splitlines() if line.split()[1] == "store"]
    assert len(about) == 9
    assert all(line.startswith("ok") for line in about), done.stdout
    assert hub.store_url.split(":")[2].split("@")[0] not in done.stdout + done.stderr


def run(hub: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``hub ARGUMENTS`` with a node's configuration."""
    settings = {"HUB_STORE_URL": hub.store_url, "HUB_KEYS__FILE": str(hub.ring)}
    return subprocess.run(
        [sys.executable, "-m", "hub", *arguments, "--config", str(hub.folder / "hub.toml")],
        env=clean_environment() | settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
