"""``hub audit``: reads the store with the node's configuration, says what it finds, and leaves everything as it is."""

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import os
import pty
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from hub.cli import main
from hub.core.chain import Chain
from hub.core.json import dumps
from hub.core.session import Session
from hub.errors import ConfigurationError
from hub.store import keys
from hub.store.embedded import EmbeddedStore
from hub.store.keyring import KeyRing
from hub.store.store import Store
from hub.store.visiting import visited
from tests.store.conftest import Ear
from tests.support.audits import history
from tests.support.nodes import Cluster, Node
from tests.support.sessions import committed, end, opening, read
from tests.support.tabs import log_in
from tests.support.tampering import Thief, Vandal
from tests.support.tls_store import Authority, Tap

pytestmark = pytest.mark.contract

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@dataclass
class Desk:
    """Where an auditor works: a store with a configuration, and what is printed."""

    cluster: Cluster
    capsys: pytest.CaptureFixture[str]
    folder: Path
    ring: KeyRing

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and error output of ``hub audit …``."""
        self.capsys.readouterr()
        code = main(["audit", *arguments, "--config", str(self.cluster.folder / "hub.toml")])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """JSON lines of a command that must succeed."""
        code, out, err = self.run(*arguments)
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    def make(self, act: Callable[[Store], Any]) -> Any:
        """Do something with a node's store."""

        async def doing() -> Any:
            store = Store(self.cluster.store_url, self.ring, "desk")
            await store.start(Ear())
            try:
                return await act(store)
            finally:
                await store.stop()

        return asyncio.run(doing())

    def vandal(self, sid: str) -> Vandal:
        """Somebody who can write to the store."""
        return Vandal(self.outside, sid)

    def thief(self, sid: str) -> Thief:
        """Somebody who has all keys too."""
        return Thief(self.outside, sid, self.ring, has_chain_key=True)

    @property
    def outside(self) -> Any:
        """The store, from outside."""
        return self._outside

    def __post_init__(self) -> None:
        self._outside = Redis.from_url(self.cluster.store_url)


@pytest.fixture
def desk(
    hub_cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The shared store, emptied before."""
    monkeypatch.setenv("HUB_STORE_URL", hub_cluster.store_url)
    monkeypatch.setenv("HUB_KEYS__FILE", str(hub_cluster.ring))
    made = Desk(hub_cluster, capsys, tmp_path, KeyRing.load(hub_cluster.ring))
    made.outside.flushall()
    yield made
    made.outside.close()


async def _life(store: Store) -> Session:
    """Seven revisions: opened, five commits, ended."""
    session = await opening(store, user="ada", document={"profile": {"name": "Ada"}}).live()
    session = await committed(store, session, profile={"name": "Grace", "token": TOKEN})
    session = await committed(store, session, cart={"\x1b[31m": "red"})
    session = await committed(store, session, cart={"long": "x" * 500})
    session = await committed(store, session, profile={"name": "Linus"})
    session = await committed(store, session, **{f"s{number}": number for number in range(9)})
    await end(store, session.sid, detail="good \x1b[5m bye")
    return await read(store, session.sid)


# verify


def test_verify_says_what_fits(desk: Desk) -> None:
    """One line a session; position, entries, span of time; JSON lines on request."""
    live, over = desk.make(history), desk.make(_life)
    code, out, err = desk.run("verify", live.sid)
    assert (code, err) == (0, "")
    assert out.startswith(f"ok   {live.sid}  live at {live.position}, 8 entries, ")
    assert len(out.splitlines()) == 1
    both = desk.lines("verify", "--all", "--json")
    assert [line["sid"] for line in both] == sorted([live.sid, over.sid])
    (ended,) = (line for line in both if line["sid"] == over.sid)
    assert ended["finding"] is None
    assert (ended["ok"], ended["state"], ended["entries"]) == (True, "ended", 7)
    assert (ended["position"], ended["chain"]) == (str(over.position), over.chain.hex())


def test_verify_names_what_does_not_fit(desk: Desk) -> None:
    """Exit code 1, the revision and why; the others are verified all the same."""
    good, bad = desk.make(history), desk.make(history)
    vandal = desk.vandal(bad.sid)
    vandal.edit(5)
    vandal.put()
    code, out, _ = desk.run("verify", bad.sid)
    assert (code, out) == (1, f"BAD  {bad.sid}  revision 5: it does not open: it was edited, swapped or moved\n")
    code, out, err = desk.run("verify", "--all", "--json")
    found = {line["sid"]: line for line in map(json.loads, out.splitlines())}
    assert (code, err) == (1, "hub: sessions: 2, 1 do not fit\n")
    assert found[good.sid]["ok"]
    assert found[bad.sid]["finding"]["revision"] == 5
    assert found[bad.sid]["finding"]["fault"] == "unreadable"


def test_verify_compares_with_the_heads_in_logs(desk: Desk, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a node's own log, from several files, from stdin: what ended is as it ended, or is named."""
    opened = asyncio.run(log_in(desk.cluster, node))
    desk.make(lambda store: end(store, opened.sid))
    other = asyncio.run(log_in(desk.cluster, node))
    asyncio.run(_log_out(node, other.token))
    log = desk.cluster.folder / f"node-{node.port}.log"
    assert f'"sid":"{other.sid}"' in log.read_text().replace(": ", ":").replace(", ", ",")
    code, out, err = desk.run("verify", other.sid, "--heads", str(log))
    assert (code, "as the log says" in out) == (0, True), err
    code, out, _ = desk.run("verify", opened.sid, "--heads", str(log))
    assert (code, "not in the log" in out) == (0, True)

    thief = desk.thief(other.sid)
    said = thief.all_said()
    said[0]["actor"] = "user:somebody-else"
    thief.forge(said)
    thief.put()
    thief.adjust_record()
    assert desk.run("verify", other.sid)[0] == 0
    code, out, _ = desk.run("verify", other.sid, "--heads", str(log))
    assert (code, "its history ends otherwise" in out) == (1, True)
    stdin = io.TextIOWrapper(io.BytesIO(b"a line that is none\n" + log.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    code, out, _ = desk.run("verify", "--heads", "-", "--json")
    assert (code, other.sid in out, opened.sid in out) == (1, True, False)
    desk.outside.flushall()
    code, out, _ = desk.run("verify", "--all", "--heads", str(log))
    assert code == 1
    assert f"BAD  {other.sid}  revision 2: the log has its end, it should be kept until" in out


def test_a_progress_bar_is_on_the_terminal_and_nothing_of_it_in_the_output(desk: Desk) -> None:
    """With errors on a terminal and output in a pipe, each goes where it belongs."""
    desk.make(history)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "hub", "audit", "verify", "--all", "--config"]
    environment = dict(os.environ) | {"TERM": "xterm"}
    done = subprocess.run(
        [*command, str(desk.cluster.folder / "hub.toml")],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
        check=True,
    )
    os.close(theirs)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert b"verifying" in shown
    assert (done.stdout[:5], done.stdout.count(b"\n"), b"verifying" in done.stdout) == (b"ok   ", 1, False)


async def _log_out(node: Node, token: str) -> None:
    async with httpx.AsyncClient(base_url=node.url, headers={"Authorization": f"Bearer {token}"}) as client:
        assert (await client.delete("/v1/sessions/me")).status_code == 204


SID = "0123456789abcdef-0123456789abcdefghijkl"
USAGE = [
    ["verify"],
    ["verify", "nobody"],
    ["verify", SID, "--all"],
    ["show", "nobody"],
    ["show", SID, "--since", "yesterday"],
    ["show", SID, "--until", "3.xyz"],
    ["show", SID, "--path", "name"],
    ["export", "--since", "3"],
]


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_wrong_usage_is_one_line_and_exit_code_two(desk: Desk, arguments: list[str]) -> None:
    """Before the store is asked."""
    code, out, err = desk.run(*arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)


def test_what_is_not_there_is_exit_code_one(desk: Desk) -> None:
    """A session nobody knows, a log that is none, a file that cannot be read, a store that does not answer."""
    (desk.folder / "empty.log").write_text("nothing\n")
    for arguments in (
        ["verify", SID],
        ["show", SID],
        ["verify", SID, "--heads", str(desk.folder / "empty.log")],
        ["verify", SID, "--heads", str(desk.folder / "missing.log")],
        ["export", "--output", str(desk.folder / "no" / "such" / "folder")],
    ):
        code, out, err = desk.run(*arguments)
        assert (code, len((out + err).splitlines())) == (1, 1), (arguments, out, err)


def test_a_store_that_does_not_answer_is_one_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, and the address is not repeated."""
    monkeypatch.setenv("HUB_STORE_URL", "redis://127.0.0.1:9/0")
    code, _, err = desk.run("verify", SID)
    assert (code, err) == (1, "hub: the store cannot be read: The hub cannot reach its store for the moment\n")


# show


def test_show_tells_who_did_what_when(desk: Desk) -> None:
    """Every entry, oldest first, and what was said at the end; values are short, and no token is among them."""
    session = desk.make(_life)
    code, out, _ = desk.run("show", session.sid)
    rows = [line.split() for line in out.splitlines()]
    assert code == 0
    assert [row[0] for row in rows if row[0].isdigit()] == [str(number) for number in range(1, 8)]
    assert 'add /profile {"name":"Grace","token":"[secret]"}' in out
    assert "and 5 more" in out
    assert "end: revoked: good \\u001b[5m bye" in out
    assert TOKEN not in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) < 200


def test_show_as_json_holds_everything_but_secrets(desk: Desk) -> None:
    """One line an entry, with positions, chain values and request ids."""
    session = desk.make(_life)
    lines = desk.lines("show", session.sid, "--json")
    assert [line["revision"] for line in lines] == list(range(1, 8))
    assert (lines[-1]["position"], lines[-1]["chain"]) == (str(session.position), session.chain.hex())
    assert (lines[-1]["reason"], lines[-1]["detail"]) == ("revoked", "good \x1b[5m bye")
    assert {(line["user"], line["provider"], line["request_id"]) for line in lines} == {("ada", "main", "request")}
    assert lines[0]["document"] == {"profile": {"name": "Ada"}}
    assert TOKEN not in json.dumps(lines)


def test_show_can_be_limited(desk: Desk) -> None:
    """After a position, up to one, by time, and to a place in the document."""
    session = desk.make(_life)
    every = desk.lines("show", session.sid, "--json")

    def revisions(*more: str) -> list[int]:
        return [line["revision"] for line in desk.lines("show", session.sid, "--json", *more)]

    assert revisions("--since", every[2]["position"], "--until", "5") == [4, 5]
    assert revisions("--since", "2000-01-01", "--until", "2100-01-01T00:00:00Z") == list(range(1, 8))
    assert revisions("--since", "2100-01-01") == []
    assert revisions("--since", every[6]["at"])[-1] == 7
    named = desk.lines("show", session.sid, "--json", "--path", "/profile/name")
    assert [(line["revision"], line["ops"][0]["value"]) for line in named] == [(1, "Ada"), (2, "Grace"), (5, "Linus")]
    assert revisions("--path", "/cart") == [3, 4]
    removed = desk.lines("show", session.sid, "--json", "--path", "/profile/token")
    assert [line["ops"][0]["op"] for line in removed] == ["add", "remove"]
    assert "nothing of it" in desk.run("show", session.sid, "--path", "/elsewhere")[1]
    code, _, err = desk.run("show", session.sid, "--since", "3.00000000")
    assert (code, err) == (1, f"hub: 3.00000000 is no position of this session: it has {every[2]['position']}\n")


def test_show_goes_on_past_what_does_not_open(desk: Desk) -> None:
    """It is said, and the exit code is 1."""
    session = desk.make(_life)
    thief = desk.thief(session.sid)
    thief.seal(5, {"kind": 7})
    thief.edit(4)
    thief.put()
    code, out, err = desk.run("show", session.sid, "--json")
    assert code == 1
    assert [json.loads(line)["revision"] for line in out.splitlines()] == [1, 2, 3, 6, 7]
    assert [line.partition(" cannot")[0] for line in err.splitlines()] == ["hub: revision 4", "hub: revision 5"]


async def test_a_store_behind_tls_is_read_as_a_node_reads_it(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its certificate checked: one that nobody vouches for is refused before anything is read."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    async with Tap(desk.cluster.store_url, ours.server()) as tap:
        monkeypatch.setenv("HUB_STORE_URL", tap.url)
        for authority, expected in ((ours, 0), (theirs, 2)):
            monkeypatch.setenv("HUB_STORE_CA_FILE", str(authority.file))
            code, out, err = await asyncio.to_thread(desk.run, "verify", "--all")
            assert (code, out, len(err.splitlines())) == (expected, "", 1), err
        assert "certificate is not accepted" in err


def test_a_reveal_is_shown_with_its_reason_and_verified(desk: Desk) -> None:
    """An operator looked at unmasked values: an entry like any other, that changes nothing."""
    session = desk.make(history)
    thief = desk.thief(session.sid)
    reveal = thief.open(8) | {"kind": "reveal", "ops": [], "actor": "operator:olivia", "reason": "ticket 4711"}
    thief.forge([*thief.all_said(), reveal])
    thief.put()
    thief.adjust_record()
    assert desk.run("verify", session.sid)[0] == 0
    assert "operator:olivia" in (out := desk.run("show", session.sid)[1])
    assert "reveal: ticket 4711" in out


# export


def test_an_archive_can_be_checked_by_itself(desk: Desk) -> None:
    """Entries are verbatim: with the chain key alone, each line's chain value follows from the one before."""
    sessions = {session.sid: session for session in (desk.make(_life), desk.make(history))}
    lines = desk.lines("export")
    assert [(line["sid"], line["revision"]) for line in lines] == sorted(
        (line["sid"], line["revision"]) for line in lines
    )
    chain = Chain(desk.ring.chain.active.secret)
    value, sid = b"", ""
    for line in lines:
        value = value if line["sid"] == sid else chain.start(line["sid"])
        sid = line["sid"]
        entry = {name: line[name] for name in line if name not in ("sid", "user", "provider", "position", "chain")}
        in_order = {"kind": entry.pop("kind"), "revision": entry.pop("revision")} | entry
        value = chain.extend(value, dumps(in_order))
        assert value.hex() == line["chain"]
        if line["revision"] == sessions[sid].position.revision:
            assert value == sessions[sid].chain


def test_an_archive_is_continued_and_never_repeats_an_entry(desk: Desk) -> None:
    """Each session goes on after its last whole line; a torn line is cut off and written again; mode 0600."""
    file = desk.folder / "audit.jsonl"
    one, two = desk.make(history), desk.make(history)
    assert desk.run("export", "--output", str(file))[0] == 0
    assert file.stat().st_mode & 0o777 == 0o600
    whole = file.read_bytes()
    desk.make(lambda store: _one_more(store, one.sid))
    desk.make(lambda store: end(store, two.sid))
    three = desk.make(history)
    for torn in (3, 5, 40, 400):
        file.write_bytes(whole[:-torn])
        code, _, err = desk.run("export", "--output", str(file))
        assert code == 0, err
        lines = [json.loads(line) for line in file.read_bytes().splitlines()]
        where = [(line["sid"], line["revision"]) for line in lines]
        assert len(where) == len(set(where)) == 9 + 9 + 8
        assert {sid for sid, _ in where} == {one.sid, two.sid, three.sid}
    assert desk.run("export", "--output", str(file)) == (0, "", f"hub: 0 entries added to {file}\n")


async def _one_more(store: Store, sid: str) -> None:
    await committed(store, await read(store, sid), cart={"one": "more"})


def test_an_archive_tells_when_the_store_tells_something_else(desk: Desk) -> None:
    """History that was rewritten, cut off or trimmed since is reported, with exit code 1; nothing false is added."""
    file = desk.folder / "audit.jsonl"
    sessions = [desk.make(history) for _ in range(4)]
    assert desk.run("export", "--output", str(file))[0] == 0
    before = file.read_bytes()
    rewritten, cut, trimmed, unread = (session.sid for session in sessions)
    thief = desk.thief(rewritten)
    said = thief.all_said()
    said[4]["actor"] = "user:x"
    thief.forge(said)
    thief.put()
    thief.adjust_record()
    vandal = desk.vandal(cut)
    vandal.cut_after(5)
    vandal.roll_record_back()
    vandal.put()
    for _ in range(2):
        desk.make(lambda store: _one_more_with(store, trimmed))
    vandal = desk.vandal(trimmed)
    vandal.cut_before(10)
    vandal.put()
    desk.make(lambda store: _one_more(store, unread))
    vandal = desk.vandal(unread)
    vandal.edit(9)
    vandal.put()
    code, _, err = desk.run("export", "--output", str(file))
    assert code == 1
    told = {line.split(": ")[1]: line for line in err.splitlines()}
    assert "it was rewritten" in told[rewritten]
    assert "history was cut off" in told[cut]
    assert "revisions 9 to 9 were gone before they were written" in told[trimmed]
    assert "revision 9 does not fit" in told[unread]
    added = [json.loads(line) for line in file.read_bytes()[len(before) :].splitlines()]
    assert [(line["sid"], line["revision"]) for line in added] == [(trimmed, 10)]


async def _one_more_with(store: Store, sid: str) -> None:
    session = await read(store, sid)
    await committed(store, session, cart={"revision": session.position.revision})


def test_a_session_whose_key_is_missing_is_skipped_and_said(desk: Desk) -> None:
    """The others are exported."""
    good, sealed = desk.make(history), desk.make(history)
    desk.outside.hset(keys.record(sealed.sid), "dek", b"unknown:key")
    code, out, err = desk.run("export")
    assert code == 1
    assert {json.loads(line)["sid"] for line in out.splitlines()} == {good.sid}
    assert err.startswith(f"hub: {sealed.sid}: skipped: its data key does not open")


def test_an_export_touches_nothing_that_is_not_its_own(desk: Desk) -> None:
    """Another file is left as it is, with or without a last line that is torn; two exports do not mix."""
    desk.make(history)
    file = desk.folder / "letter.txt"
    for text in ("Dear Ada,\n", "Dear Ada", '{"other": "json"}\n', '{"other": "js'):
        file.write_text(text)
        code, _, err = desk.run("export", "--output", str(file))
        assert (code, file.read_text()) == (1, text)
        assert "line 1 is no exported entry" in err
    file.write_text("")
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, _, err = desk.run("export", "--output", str(file))
    assert (code, err) == (1, f"hub: {file}: another export is writing to it\n")


def test_an_export_can_begin_at_a_time(desk: Desk) -> None:
    """Only entries from then on; a later run without it does not go back before them."""
    session = desk.make(_life)
    at = desk.lines("show", session.sid, "--json")[4]["at"]
    lines = desk.lines("export", "--since", at)
    assert {line["at"] >= at for line in lines} == {True}
    assert desk.lines("export", "--since", "2100-01-01") == []


def test_an_export_takes_no_more_memory_for_a_long_history(desk: Desk) -> None:
    """Entries go through one by one."""
    desk.make(lambda store: history(store, 2000, value="x" * 3000))
    file = desk.folder / "audit.jsonl"
    tracemalloc.start()
    try:
        assert desk.run("export", "--output", str(file))[0] == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert file.stat().st_size > 6_000_000
    assert peak < 4 * 2**20


# the embedded store


def test_the_embedded_store_is_read_beside_a_running_hub_and_without_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the socket of the hub that has it, else through a server of its own; never two on one directory."""
    data = desk.folder / "data"
    monkeypatch.setenv("HUB_STORE_URL", "embedded")
    monkeypatch.setenv("HUB_DATA_DIR", str(data))
    code, _, err = desk.run("verify", "--all")
    assert (code, err) == (2, f"hub: {data}: there is no store; a hub makes one when it starts\n")
    assert not data.exists()
    node = desk.cluster.node(HUB_STORE_URL="embedded", HUB_DATA_DIR=str(data))
    opened = asyncio.run(log_in(desk.cluster, node))
    assert desk.lines("verify", "--all", "--json")[0]["sid"] == opened.sid
    assert node.stop() == 0
    assert desk.lines("verify", opened.sid, "--json")[0]["state"] == "live"
    assert EmbeddedStore(data).running_url() is None
    with visited(data) as url:
        assert Redis.from_url(url).ping()
        with pytest.raises(ConfigurationError, match="in use by another hub"):
            EmbeddedStore(data).start()
        with visited(data) as same:
            assert same == url
    assert EmbeddedStore(data).running_url() is None
