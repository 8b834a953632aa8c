"""``hub audit verify``, and what all of ``hub audit`` does with the store: it leaves everything as it is."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import subprocess
import sys

import httpx
import pytest
from redis import Redis

from hub.errors import ConfigurationError
from hub.store.embedded import EmbeddedStore
from hub.store.visiting import visited
from tests.support.audit_desk import Desk, life
from tests.support.audits import history
from tests.support.nodes import Node
from tests.support.sessions import end
from tests.support.tabs import log_in

pytestmark = pytest.mark.contract


def test_verify_says_what_fits(desk: Desk) -> None:
    """One line a session; position, entries, span of time; JSON lines on request."""
    live, over = desk.make(history), desk.make(life)
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
