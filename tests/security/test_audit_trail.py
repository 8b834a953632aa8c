"""Threats against the audit trail: 54. Whatever was done to a history, ``hub audit verify`` names where it goes wrong.

Sessions live on a running node; attackers reach past it into the store, first with nothing but write access, then with
the key ring, then with every key there is. Each deed says which revision has to be named, and as what.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from redis import Redis

from hub.cli import main
from hub.store import keys
from hub.store.keyring import KeyRing
from hub.store.store import Store
from tests.store.conftest import Ear
from tests.support.answers import good
from tests.support.audits import history
from tests.support.nodes import Cluster, Node
from tests.support.tabs import as_service, log_in, merge
from tests.support.tampering import Thief, Vandal

pytestmark = pytest.mark.edge

COMMITS, WRITERS, EACH = 6, 4, 125
LAST = COMMITS + 1
Named = tuple[int, str] | None


@dataclass
class Auditor:
    """Somebody with the node's configuration and key ring, at a command line; and ways into the store for others."""

    cluster: Cluster
    outside: Any
    capsys: pytest.CaptureFixture[str]
    ring: KeyRing

    async def verify(self, sid: str, *more: str) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON of ``hub audit verify``."""
        self.capsys.readouterr()
        command = ["audit", "verify", sid, "--json", *more, "--config", str(self.cluster.folder / "hub.toml")]
        code = await asyncio.to_thread(main, command)
        out = self.capsys.readouterr().out
        assert out, "it says something"
        return code, json.loads(out)

    async def named(self, sid: str, *more: str) -> Named:
        """The revision that does not fit and as what; the exit code says the same."""
        code, said = await self.verify(sid, *more)
        finding = said["finding"]
        assert (code, said["ok"]) == ((1, False) if finding else (0, True))
        return (finding["revision"], finding["fault"]) if finding else None

    def vandal(self, sid: str) -> Vandal:
        """Can write to the store."""
        return Vandal(self.outside, sid)

    def thief(self, sid: str, *, has_chain_key: bool = False) -> Thief:
        """Has the key ring too; the chain's key, or all but that."""
        return Thief(self.outside, sid, self.ring, has_chain_key=has_chain_key)


@pytest.fixture
def auditor(
    hub_cluster: Cluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Auditor]:
    """At the shared store."""
    monkeypatch.setenv("HUB_STORE_URL", hub_cluster.url_for_hubs)
    monkeypatch.setenv("HUB_KEYS__FILE", str(hub_cluster.ring))
    outside: Any = Redis.from_url(hub_cluster.store_url)
    yield Auditor(hub_cluster, outside, capsys, KeyRing.load(hub_cluster.ring))
    outside.close()


async def lived(cluster: Cluster, node: Node, *, is_over: bool = False) -> str:
    """A session with some commits, as anybody makes them; ended by a service or still live. Its sid."""
    opened = await log_in(cluster, node)
    async with as_service(node) as service:
        for number in range(COMMITS):
            good(await merge(service, opened.sid, {"profile": {"n": number}}))
        if is_over:
            good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
    return opened.sid


def _cut(vandal: Vandal) -> None:
    vandal.cut_after(4)
    vandal.roll_record_back()


def _cut_the_end(vandal: Vandal) -> None:
    _cut(vandal)
    vandal.drop_from_record("closed")
    vandal.set_record(ended="1")


def _chain_of_record(vandal: Vandal) -> None:
    vandal.set_record(chain=b"\0" * 32)


BY_WRITING: dict[str, tuple[bool, Callable[[Vandal], None], Named]] = {
    "nothing": (False, lambda _: None, None),
    "edit": (False, lambda v: v.edit(4), (4, "unreadable")),
    "edit a chain value": (False, lambda v: v.edit_chain(4), (4, "chain")),
    "insert": (False, lambda v: v.insert_after(4), (4, "inserted")),
    "delete": (False, lambda v: v.delete(4), (4, "missing")),
    "reorder": (False, lambda v: v.swap(3, 5), (3, "unreadable")),
    "truncate": (False, lambda v: v.cut_after(4), (5, "missing")),
    "truncate and adjust": (False, _cut, (4, "record")),
    "behead": (False, lambda v: v.cut_before(4), (1, "missing")),
    "append": (False, lambda v: v.append(), (LAST + 1, "record")),
    "empty": (False, lambda v: v.entries.clear(), (1, "history_gone")),
    "edit the record": (False, _chain_of_record, (LAST, "record")),
    "nothing after the end": (True, lambda _: None, None),
    "take the end away": (True, lambda v: v.delete(LAST + 1), (LAST + 1, "missing")),
    "truncate an ended one": (True, _cut_the_end, (5, "closing")),
    "revive": (True, lambda v: v.set_record(status="live"), (LAST + 1, "record")),
    "append after the end": (True, lambda v: v.append(), (LAST + 2, "after_end")),
}


async def test_54_whoever_can_write_to_the_store_is_found_out(
    hub_cluster: Cluster, node: Node, auditor: Auditor
) -> None:
    """Edit, insert, delete, reorder, truncate: the first bad revision is named, and an honest history passes."""
    for name, (is_over, deed, expected) in BY_WRITING.items():
        sid = await lived(hub_cluster, node, is_over=is_over)
        vandal = auditor.vandal(sid)
        deed(vandal)
        vandal.put()
        assert await auditor.named(sid) == expected, name


def _reword(thief: Thief) -> None:
    thief.seal(4, thief.open(4) | {"actor": "user:somebody-else"})


def _shuffle(thief: Thief) -> None:
    said = thief.all_said()
    thief.forge([*said[:3], said[4], said[3], *said[5:]])


def _shorten(thief: Thief) -> None:
    said = thief.all_said()
    thief.forge([*said[:3], *said[4:]])


def _replace_the_opening(thief: Thief) -> None:
    thief.seal(1, thief.open(1) | {"actor": "user:somebody-else"})


BY_SEALING = {
    "edit": (_reword, 4),
    "reorder": (_shuffle, 4),
    "delete": (_shorten, 4),
    "edit first": (_replace_the_opening, 1),
}


async def test_54_whoever_can_open_and_seal_entries_is_found_out_by_the_chain(
    hub_cluster: Cluster, node: Node, auditor: Auditor
) -> None:
    """All keys but the chain's, everything sealed again and the record adjusted: the chain does not follow."""
    for name, (deed, revision) in BY_SEALING.items():
        sid = await lived(hub_cluster, node)
        thief = auditor.thief(sid)
        deed(thief)
        thief.put()
        thief.adjust_record()
        assert await auditor.named(sid) == (revision, "chain"), name


async def test_54_whoever_rewrites_a_history_whole_is_found_out_by_the_log(
    hub_cluster: Cluster, node: Node, auditor: Auditor
) -> None:
    """With every key a history can be made that fits in itself; how the old one ended stands in the node's log."""
    sid, other = [await lived(hub_cluster, node, is_over=True) for _ in range(2)]
    log = str(hub_cluster.folder / f"node-{node.port}.log")
    assert await auditor.named(sid, "--heads", log) is None
    thief = auditor.thief(sid, has_chain_key=True)
    said = thief.all_said()
    said[3]["actor"] = "user:somebody-else"
    thief.forge(said)
    thief.put()
    thief.adjust_record()
    assert await auditor.named(sid) is None
    assert await auditor.named(sid, "--heads", log) == (LAST + 1, "head")
    assert await auditor.named(other, "--heads", log) is None
    auditor.outside.delete(keys.record(sid), keys.history(sid))
    assert await auditor.named(sid, "--heads", log) == (LAST + 1, "head")


async def test_54_the_first_entry_of_a_trimmed_history_cannot_be_replaced(auditor: Auditor) -> None:
    """What came before it is gone; it says itself which chain value it continues, and its own follows from that."""
    store = Store(auditor.cluster.url_for_hubs, auditor.ring, "writer")
    await store.start(Ear())
    try:
        session = await history(store, 520, history_changes=256)
    finally:
        await store.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUB_SESSION__HISTORY_CHANGES", "256")
        assert await auditor.named(session.sid) is None
        thief = auditor.thief(session.sid)
        thief.seal(256, thief.open(256) | {"document": {"profile": {"name": "Mallory"}}})
        thief.put()
        assert await auditor.named(session.sid) == (256, "chain")


async def test_54_two_nodes_and_a_thousand_commits_make_one_chain(hub_cluster: Cluster, auditor: Auditor) -> None:
    """Writers at two nodes race for every revision of one session; nothing forks, and the history verifies."""
    nodes = [hub_cluster.node() for _ in range(2)]
    opened = await log_in(hub_cluster, nodes[0])

    async def write(node: Node, writer: int) -> list[int]:
        async with as_service(node) as service:
            made = []
            for number in range(EACH):
                answer = await merge(service, opened.sid, {"profile": {f"w{writer}": number}})
                while answer.status_code == 409:
                    answer = await merge(service, opened.sid, {"profile": {f"w{writer}": number}})
                made.append(int(good(answer)["position"].partition(".")[0]))
            return made

    numbers = range(WRITERS * len(nodes))
    made = await asyncio.gather(*(write(nodes[number % 2], number) for number in numbers))
    total = len(numbers) * EACH
    assert sorted(revision for each in made for revision in each) == list(range(2, total + 2))
    code, said = await auditor.verify(opened.sid)
    assert (code, said["finding"], said["entries"]) == (0, None, total + 1)
    assert said["position"].startswith(f"{total + 1}.")
    for node in nodes:
        node.stop()
