"""``hub keys``: changes a ring in one step or not at all, says what it did, and shows no secret."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from hub.cli import key_life
from hub.store import keys
from hub.store.embedded import EmbeddedStore
from hub.store.keyring import Key, KeyRing
from hub.store.keyring.at_rest import AtRest
from hub.store.keyring.changes import add
from hub.store.keyring.named import read_names
from hub.store.keyring.ring import now
from tests.cli.processes import end_of, eventually, line_of, running
from tests.support.key_desk import Desk
from tests.support.key_life import Locksmith
from tests.support.nodes import ROOT, clean_environment
from tests.support.stores import test_store

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store for this file."""
    server = test_store(tmp_path_factory.mktemp("store"))
    yield server.start()
    server.close()


@pytest.fixture
def desk(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The store empty, the ring new, and a configuration that is found."""
    with Redis.from_url(url) as outside:
        outside.flushall()
    KeyRing.create(tmp_path / "ring.toml")
    configuration = f'store_url = "{url}"\ndata_dir = "{tmp_path / "data"}"\n[keys]\nfile = "ring.toml"\n'
    (tmp_path / "hub.toml").write_text(configuration)
    monkeypatch.setenv("HUB_CONFIG", str(tmp_path / "hub.toml"))
    return Desk(tmp_path, url, capsys)


def test_list_shows_every_key_and_no_secret(desk: Desk) -> None:
    """Use, name, state and since when; as a table, as JSON."""
    made = desk.good("add", "token")
    code, out, _ = desk.run("list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        *("use", "master", "token", "token", "chain", "index", "cookie", "context")
    ]
    assert f"token     {made['kid']}   next" in out
    listed = desk.good("list")
    assert listed["file"] == str(desk.file)
    assert {"use": "token", "kid": made["kid"], "state": "next", "since": made["since"]} in listed["keys"]
    assert all(key.keys() == {"use", "kid", "state", "since"} for key in listed["keys"])


def test_add_and_activate_say_what_comes_next(desk: Desk) -> None:
    """The commands that go on with it are printed as they are typed."""
    [first] = desk.state("master")
    code, out, _ = desk.run("add", "master")
    kid = next(kid for kid, state in desk.state("master").items() if state == "next")
    assert (code, out.splitlines()[-1]) == (0, f"hub keys activate master {kid}")
    code, out, _ = desk.run("activate", kid)  # what it is for follows from its name
    assert (code, out.splitlines()[-2:]) == (0, ["hub keys reseal", f"hub keys drop master {first}"])
    assert desk.state("master") == {first: "old", kid: "active"}


def test_a_context_key_that_apps_may_not_know_yet_is_pointed_out(desk: Desk) -> None:
    """It is activated all the same: apps that ask for unknown keys notice nothing."""
    made = desk.good("add", "context")
    code, _, err = desk.run("activate", "context", made["kid"])
    assert (code, "may refuse tokens of this one for" in err) == (0, True)
    made = desk.good("add", "context")
    Locksmith(desk.folder, desk.file).let_time_pass(601)
    desk.good("activate", "context", made["kid"])


USAGE: list[list[str]] = [
    ["add", "nothing"],
    ["add", "Master"],
    ["activate"],
    ["activate", "master"],
    ["drop", "master", "x", "y"],
    ["activate", "master", "nobody"],
    ["activate", "nothing", "x"],
    ["drop", "master", "nobody"],
    ["drop", "nothing", "x"],
    ["list", "--config", "/no/such/file"],
    ["list", "--file", "/no/such/file"],
    ["add", "master", "--file", "/no/such/file"],
    ["reseal", "--file", "/no/such/file"],
    ["drop", "master", "x", "--file", "/no/such/file"],
    ["add", "master", "--force"],
    ["drop", "master", "x", "--force"],
]


@pytest.mark.parametrize("arguments", USAGE, ids=[" ".join(arguments) for arguments in USAGE])
def test_misuse_is_2_and_one_line(desk: Desk, arguments: list[str]) -> None:
    """Nothing is changed, and there is no way to insist."""
    assert desk.refused(*arguments, code=2).startswith("hub: ")


def test_a_ring_open_to_others_is_not_touched(desk: Desk) -> None:
    """By any of them."""
    desk.file.chmod(0o644)
    for arguments in (["list"], ["add", "master"], ["activate", "master", "x"], ["reseal"], ["drop", "master", "x"]):
        assert "chmod 600" in desk.refused(*arguments, code=2)


def test_what_a_ring_refuses_is_1(desk: Desk) -> None:
    """The index key, and what is active."""
    [index], [token] = desk.state("index"), desk.state("token")
    for arguments in (["add", "index"], ["activate", "index", index], ["drop", "index", index]):
        assert "the index key never changes" in desk.refused(*arguments)
    assert "is active already" in desk.refused("activate", "token", token)
    assert "is active; activate another one first" in desk.refused("drop", "token", token)


def test_a_file_by_name_is_used_instead_of_the_configured_one(desk: Desk) -> None:
    """``--file``; and where none is configured, the embedded store's own ring is meant."""
    other = desk.folder / "other.toml"
    KeyRing.create(other)
    before = desk.file.read_bytes()
    desk.good("add", "master", "--file", str(other))
    assert (len(KeyRing.load(other).master.by_kid), desk.file.read_bytes()) == (2, before)
    (desk.folder / "hub.toml").write_text('data_dir = "data"\n')
    KeyRing.create(desk.folder / "data" / "keys.toml")
    assert desk.good("list")["file"] == str(desk.folder / "data" / "keys.toml")


# with the store


def test_a_rotation_from_end_to_end(desk: Desk) -> None:
    """Refused too early and at once, resealed with counts, dropped when nothing is left."""
    desk.open_sessions(3)
    old, new = desk.rotate("master")
    since = time.monotonic()
    assert "it wraps the data keys of 3 sessions (3 live" in desk.refused("drop", "master", old)
    assert time.monotonic() - since < key_life.ASK_AGAIN_SECONDS + 2
    assert desk.good("reseal") == {
        "kid": new,
        "sessions": 3,
        "resealed": 3,
        "already": 0,
        "overtaken": 0,
        "unreadable": [],
    }
    code, out, _ = desk.run("reseal")
    assert (code, out) == (0, f"resealed 0 of 3 sessions with master key {new}\n")
    Locksmith(desk.folder, desk.file).let_time_pass(10)
    assert desk.good("drop", "master", old) == {"file": str(desk.file), "use": "master", "kid": old, "dropped": True}
    assert desk.state("master") == {new: "active"}


def test_what_was_begun_with_a_key_is_waited_for(desk: Desk) -> None:
    """A log-in that was on its way to the store when the key became old arrives before the last look."""
    old, _ = desk.rotate("master")
    Locksmith(desk.folder, desk.file).let_time_pass(3)
    since = time.monotonic()
    assert desk.run("drop", "master", old)[0] == 0
    assert time.monotonic() - since > 0.8


def test_records_that_do_not_open_are_1_and_named(desk: Desk) -> None:
    """One line each; the others are resealed."""
    broken, *_ = desk.open_sessions(3)
    with Redis.from_url(desk.url) as outside:
        outside.hset(keys.record(broken.sid), "dek", "gone:x")
    desk.rotate("master")
    code, out, err = desk.run("reseal")
    assert (code, out.endswith("; 1 do not open\n")) == (1, True)
    assert err == f"hub: {broken.sid}: its data key does not open with this ring; it stays as it is\n"
    code, out, _ = desk.run("reseal", "--json")
    assert (code, json.loads(out)["unreadable"], json.loads(out)["already"]) == (1, [broken.sid], 2)


def test_a_node_that_has_another_ring_is_waited_for_and_then_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Activating would make what it refuses, resealing shut it out of every session, dropping lose what it makes."""
    monkeypatch.setattr(key_life, "PATIENCE_SECONDS", 0.4)
    old, new = desk.rotate("master")
    Locksmith(desk.folder, desk.file).let_time_pass(10)
    told: dict[str, Any] = {
        "behind": {"master": {old: "active"}},
        "silent": None,
        "ahead": {"master": {old: "old", new: "active"}},
    }
    with Redis.from_url(desk.url) as outside:
        for name, said in told.items():
            outside.zadd(keys.NODES, {name: time.time() * 1000})
            if said:
                outside.set(keys.node_keys(name), json.dumps(said))
        refusal = desk.refused("reseal")
        assert f"not all nodes have master key {new}: " in refusal
        assert ("behind" in refusal, "silent" in refusal, "ahead" in refusal) == (True, True, False)
        other = desk.good("add", "token")["kid"]
        assert f"not all nodes have token key {other}: " in desk.refused("activate", "token", other)
        assert f"not all nodes have stopped making things with master key {old}" in desk.refused("drop", "master", old)
        outside.zadd(keys.NODES, {"behind": time.time() * 1000 - 16_000, "silent": 1})
        desk.good("reseal")
        desk.good("drop", "master", old)


def test_a_ring_that_was_changed_meanwhile_is_left_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found out about one ring does not count for another."""
    old, _ = desk.rotate("cookie")
    Locksmith(desk.folder, desk.file).let_time_pass(601)

    async def meanwhile(_: AtRest, __: Key) -> None:
        KeyRing.edit(desk.file, lambda all_keys: add(all_keys, "token", now())[0])

    monkeypatch.setattr(key_life, "_check", meanwhile)
    code, _, err = desk.run("drop", "cookie", old)
    assert (code, err) == (1, f"hub: {desk.file} was changed meanwhile; nothing is dropped\n")
    assert old in desk.state("cookie")


def test_a_store_that_does_not_answer_is_1(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is dropped on suspicion."""
    old, _ = desk.rotate("cookie")
    Locksmith(desk.folder, desk.file).let_time_pass(601)
    monkeypatch.setenv("HUB_STORE_URL", "redis://127.0.0.1:9/0")
    for arguments in (["reseal"], ["drop", "cookie", old]):
        assert "the store cannot be asked" in desk.refused(*arguments)


def test_progress_is_drawn_on_a_terminal_only(desk: Desk) -> None:
    """The result is on stdout alone."""
    desk.open_sessions(2)
    desk.rotate("master")
    ours, theirs = pty.openpty()
    environment = clean_environment() | {"TERM": "xterm", "HUB_CONFIG": str(desk.folder / "hub.toml")}
    command = [sys.executable, "-m", "hub", "keys", "reseal", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=environment, check=True, cwd=ROOT)
    os.close(theirs)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert b"resealing" in shown
    assert json.loads(done.stdout)["resealed"] == 2


def test_the_embedded_store_is_used_beside_a_hub_and_without_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never two servers on one folder; where there never was a store, that is said."""
    monkeypatch.setenv("HUB_STORE_URL", "embedded")
    assert "there is no store" in desk.refused("reseal", code=2)
    server = EmbeddedStore(desk.folder / "data")
    desk.url = server.start()
    try:
        desk.open_sessions(2)
        desk.rotate("master")
        assert desk.good("reseal")["resealed"] == 2
    finally:
        server.stop()
    desk.rotate("master")
    assert desk.good("reseal")["resealed"] == 2
    assert server.running_url() is None


def test_every_worker_follows_the_ring_by_itself(desk: Desk) -> None:
    """Both processes of ``--workers 2`` work with the new key, without a restart."""
    settings = {"HUB_CONFIG": str(desk.folder / "hub.toml")}
    command = ["-m", "hub", "serve", "--workers", "2", "--bind", "127.0.0.1:0", "--json"]
    with running(command, settings) as program, Redis.from_url(desk.url) as outside:
        line_of(program)

        def told() -> list[Any]:
            names = [name.decode() for name in outside.zrange(keys.NODES, 0, -1)]
            return [read_names(outside.get(keys.node_keys(name))).get("cookie") for name in names]

        eventually(lambda: len(told()) == 2, "two workers")
        old, new = desk.rotate("cookie")
        eventually(lambda: told() == [{old: "old", new: "active"}] * 2, "both follow")
        program.terminate()
        assert end_of(program)[0] == 0
        assert told() == []
