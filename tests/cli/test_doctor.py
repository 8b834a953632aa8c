"""``hub doctor``: says of each thing a node needs whether it is there, what to do if not, and never a secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis

from hub.cli import main
from hub.cli.doctor_here import files, time_of
from hub.store.embedded import EmbeddedStore
from hub.store.keyring import KeyRing
from tests.support.key_life import Locksmith
from tests.support.nodes import Cluster, Node
from tests.support.ports import free_port
from tests.support.practice import SECRET, KeySet, Practice, provider_table
from tests.support.replicated import Server, wait_for

pytestmark = pytest.mark.contract

STORE_LINES = (
    *("store", "store version", "store role", "store eviction", "store memory", "store persistence"),
    *("clock skew", "store commands", "store scripts", "store feed"),
)


def test_a_machine_where_all_is_well(hub_cluster: Cluster, node: Node, capsys: pytest.CaptureFixture[str],
                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """A running hub's own configuration: nothing failed but the apps that are not there, nothing left behind."""
    monkeypatch.setenv("HUB_STORE_URL", hub_cluster.url_for_hubs)
    monkeypatch.setenv("HUB_KEYS__FILE", str(hub_cluster.ring))
    monkeypatch.setenv("HUB_PUBLIC_URL", node.url)
    monkeypatch.setenv("HUB_BIND", f"127.0.0.1:{node.port}")
    with Redis.from_url(hub_cluster.store_url) as store:
        before = set(store.keys("*doctor*"))
        code = main(["doctor", "--config", str(hub_cluster.folder / "hub.toml"), "--json"])
        assert set(store.keys("*doctor*")) == before == set()
    checks = {each["check"]: each for each in json.loads(capsys.readouterr().out)["checks"]}
    failed = {name for name, each in checks.items() if each["state"] == "failed"}
    assert (code, failed) == (1, {"app a", "app b"})
    for name in (*STORE_LINES, "configuration", "key ring", "port", "provider main", "public_url", "clock"):
        assert checks[name]["state"] == "ok", checks[name]
    assert "a hub listens" in checks["port"]["found"]


def test_the_lines_for_people(practice: Practice, store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each: state, name, what was found and what to do; the sum on stderr; exit code 0 with warnings."""
    practice.configure(store_url)
    assert main(["doctor", "--config", str(practice.folder / "hub.toml")]) == 0
    out, err = capsys.readouterr()
    lines = [line.split(None, 1) for line in out.splitlines()]
    assert {state for state, _ in lines} == {"ok", "warn"}
    assert "→ add [identity_providers.NAME]" in out
    assert err.strip() == f"hub: {sum(line[0] == 'ok' for line in lines)} ok, 2 warn"


@pytest.mark.parametrize(
    ("text", "said"),
    [("[session]\nidel = '1m'\n", "idle"), ("[sections.x]\nschema = 'none.json'\n", "none.json")],
)
def test_what_is_no_configuration_ends_with_2(
    practice: Practice, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    """Schemas included: a node would not start with them either."""
    practice.configure("embedded", text)
    assert main(["doctor", "--config", str(practice.folder / "hub.toml")]) == 2
    assert said in capsys.readouterr().err


def test_an_embedded_store_before_beside_and_after_a_hub(practice: Practice) -> None:
    """None yet; none running; one running: looked at in each case, and left as it was."""
    practice.configure("embedded")
    assert "first hub that starts makes it" in practice.ask(0)["store"]["found"]
    assert not (practice.folder / ".hub").exists()
    store = EmbeddedStore(practice.folder / ".hub")
    store.start()
    try:
        assert practice.ask(0)["store feed"]["state"] == "ok"
        assert store.running_url() is not None
    finally:
        store.stop()
    assert practice.ask(0)["store scripts"]["state"] == "ok"
    assert store.running_url() is None


def test_no_store_is_one_line_and_the_rest_is_looked_at_all_the_same(practice: Practice) -> None:
    """And its password is not shown."""
    practice.configure(f"redis://hub:{SECRET}@127.0.0.1:9/0", provider_table("http://127.0.0.1:9"))
    checks = practice.ask(1)
    assert checks["store"]["state"] == "failed"
    assert "redis://127.0.0.1:9 does not answer (connection refused)" in checks["store"]["found"]
    assert checks["provider main"]["state"] == "failed"
    assert checks["key ring"]["state"] == "ok"
    assert SECRET not in practice.said


@pytest.mark.parametrize(
    ("name", "value", "line", "code"),
    [("maxmemory-policy", "allkeys-lru", "store eviction", 1), ("appendonly", "no", "store persistence", 0)],
)
def test_a_store_that_would_lose_things(
    practice: Practice, store_url: str, name: str, value: str, line: str, code: int
) -> None:
    """Eviction is a failure, no append-only file a warning."""
    with Redis.from_url(store_url) as outside:
        outside.config_set(name, value)
    practice.configure(store_url)
    assert practice.ask(code)[line]["state"] == ("failed" if code else "warn")


def test_replicas_that_are_waited_for(practice: Practice, tmp_path: Path) -> None:
    """None in step: failed. One: a warning that a primary which is cut off may go on writing. Required: all is well."""
    primary, replica = (Server(tmp_path / name, free_port()) for name in ("primary", "replica"))
    primary.start()
    try:
        practice.configure(f"redis://127.0.0.1:{primary.port}", 'durability = "replicated:1"')
        checks = practice.ask(1)
        assert "start 1 more" in checks["store replicas"]["to_do"]
        replica.start(f"replicaof 127.0.0.1 {primary.port}")
        wait_for(lambda: b"state=online" in primary.ask("INFO", "replication"))
        assert "min-replicas-to-write 1" in practice.ask(0)["store replicas"]["to_do"]
        primary.ask("CONFIG", "SET", "min-replicas-to-write", 1)
        assert practice.ask(0)["store replicas"]["state"] == "ok"
    finally:
        for server in (replica, primary):
            if server.is_running:
                server.kill()


def test_a_full_store(practice: Practice, store_url: str) -> None:
    """Its memory, and that it refuses."""
    with Redis.from_url(store_url) as outside:
        outside.config_set("maxmemory", 1)
    practice.configure(store_url)
    checks = practice.ask(1)
    assert checks["store memory"]["state"] == "failed"
    assert "read_only" in checks["store commands"]["found"]


def test_a_user_of_few_rights(practice: Practice, store_url: str) -> None:
    """What it may not do is named, with the words that allow it; what it may not ask is not known."""
    with Redis.from_url(store_url) as outside:
        few = [
            "on",
            f">{SECRET}",
            "~hub:*",
            "&hub:*",
            "+@all",
            "-zadd",
            "-xtrim",
            "-info",
            "-ssubscribe",
            "-eval",
            "-evalsha",
        ]
        outside.execute_command("ACL", "SETUSER", "few", *few)
    path = store_url.removeprefix("unix://")
    practice.configure(f"unix://{path}?username=few&password={SECRET}")
    checks = practice.ask(1)
    assert "may not: EVAL, ZADD, XTRIM" in checks["store commands"]["found"]
    assert "+eval +zadd +xtrim" in checks["store commands"]["to_do"]
    assert checks["store facts"]["state"] == "warn"
    assert checks["store scripts"]["state"] == "failed"
    assert checks["store feed"]["state"] == "failed"
    assert SECRET not in practice.said


def test_a_wrong_password(practice: Practice, store_url: str) -> None:
    """Said as what it is."""
    practice.configure(f"{store_url}?username=nobody&password={SECRET}")
    assert "refuses this user and password" in practice.ask(1)["store"]["found"]
    assert SECRET not in practice.said


def test_files_and_time_zones() -> None:
    """The bounds of each."""
    assert [files(most, 1000).state for most in (1024, 1256, -1)] == ["warn", "ok", "ok"]
    assert files(10**6, 0).state == "warn"
    assert time_of(datetime(1970, 1, 1, tzinfo=UTC), "").state == "failed"
    now = datetime.now(UTC)
    assert [time_of(now, zone).state for zone in ("", "Europe/Helsinki", "Nowhere/Else")] == ["ok", "ok", "warn"]


def test_a_key_ring_that_is_not_there_or_open_to_others(practice: Practice, store_url: str) -> None:
    """Names of keys are shown, keys are not."""
    practice.configure(store_url)
    ring = practice.folder / "ring.toml"
    checks = practice.ask(0)
    loaded = KeyRing.load(ring)
    assert loaded.master.active.kid in checks["key ring"]["found"]
    secrets = Locksmith(practice.folder, ring).secrets_of()
    assert secrets
    assert not [secret for secret in secrets if secret in practice.said]
    ring.chmod(0o640)
    assert "chmod 600" in practice.ask(1)["key ring"]["to_do"]
    ring.unlink()
    assert "hub keys new" in practice.ask(1)["key ring"]["to_do"]


def test_a_port_that_somebody_else_has(practice: Practice, store_url: str) -> None:
    """Not a hub: it would not start."""
    with KeySet({}) as other:
        practice.configure(store_url)
        file = practice.folder / "hub.toml"
        file.write_text(file.read_text().replace("127.0.0.1:0", other.removeprefix("http://")))
        checks = practice.ask(1)
    assert checks["port"]["state"] == "failed"
    assert checks["public_url"]["state"] == "warn"
    assert "not from a hub" in checks["public_url"]["found"]
