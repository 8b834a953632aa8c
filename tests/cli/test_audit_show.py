"""``hub audit show``: who did what when, with no secret in it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.audit_desk import TOKEN, Desk, life
from tests.support.audits import history
from tests.support.tls_store import Authority, Tap

pytestmark = pytest.mark.contract


def test_show_tells_who_did_what_when(desk: Desk) -> None:
    """Every entry, oldest first, and what was said at the end; values are short, and no token is among them."""
    session = desk.make(life)
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
    session = desk.make(life)
    lines = desk.lines("show", session.sid, "--json")
    assert [line["revision"] for line in lines] == list(range(1, 8))
    assert (lines[-1]["position"], lines[-1]["chain"]) == (str(session.position), session.chain.hex())
    assert (lines[-1]["reason"], lines[-1]["detail"]) == ("revoked", "good \x1b[5m bye")
    assert {(line["user"], line["provider"], line["request_id"]) for line in lines} == {("ada", "main", "request")}
    assert lines[0]["document"] == {"profile": {"name": "Ada"}}
    assert TOKEN not in json.dumps(lines)


def test_show_can_be_limited(desk: Desk) -> None:
    """After a position, up to one, by time, and to a place in the document."""
    session = desk.make(life)
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
    session = desk.make(life)
    thief = desk.thief(session.sid)
    thief.seal(5, {"kind": 7})
    thief.edit(4)
    thief.put()
    code, out, err = desk.run("show", session.sid, "--json")
    assert code == 1
    assert [json.loads(line)["revision"] for line in out.splitlines()] == [1, 2, 3, 6, 7]
    assert [line.partition(" cannot")[0] for line in err.splitlines()] == ["hub: revision 4", "hub: revision 5"]


@pytest.mark.one_server
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
