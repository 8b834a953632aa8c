"""``hub audit export``: archives that can be checked by themselves and continued."""

from __future__ import annotations

import fcntl
import json
import tracemalloc

import pytest

from hub.core.chain import Chain
from hub.core.json import dumps
from hub.store import keys
from hub.store.store import Store
from tests.support.audit_desk import Desk, life
from tests.support.audits import history
from tests.support.sessions import committed, end, read

pytestmark = pytest.mark.contract


def test_an_archive_can_be_checked_by_itself(desk: Desk) -> None:
    """Entries are verbatim: with the chain key alone, each line's chain value follows from the one before."""
    sessions = {session.sid: session for session in (desk.make(life), desk.make(history))}
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
    session = desk.make(life)
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
