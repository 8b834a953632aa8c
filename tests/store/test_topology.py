"""Which part of a cluster is where, read from what servers say: whose word counts, and which shard is which then."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError

from hub.store import keys
from hub.store.place import Place, pair
from hub.store.redirects import PATIENCE_SECONDS, PAUSES
from hub.store.slots import SLOTS, first_key, is_within, size, slot_of, tag_within
from hub.store.topology import Served, Topology, View, read_view

INFO = b"cluster_state:ok\r\ncluster_current_epoch:7\r\n"
ASKED = ("10.0.0.9", 7009)


def node(name: str, port: int, host: Any = b"127.0.0.1") -> list[Any]:
    """A server, as CLUSTER SLOTS has it."""
    return [host, port, name.encode(), []]


def served(primary: str, port: int, slots: range, *replicas: str) -> Served:
    """A shard."""
    return Served(("127.0.0.1", port), (), (primary, *replicas), (slots,))


def place(of: Served) -> Place:
    """Where it was."""

    async def look() -> None:
        """Nothing to see."""

    return Place(Topology([], lambda _: NotImplemented, is_tls=False), of, look)


@pytest.mark.parametrize(
    "name", ["foo", "{user}.a", "a{user}b", "{}x", "a{}{b}", "{", "}{", "hub:{0123456789abcdef}:s:x"]
)
def test_slots_are_those_of_the_specification(name: str) -> None:
    """As redis-py computes them, hash tags included."""
    assert slot_of(name) == key_slot(name.encode())


def test_the_specifications_own_example() -> None:
    """``123456789`` is 31C3 in the specification's CRC16."""
    assert slot_of("123456789") == 0x31C3 % SLOTS


def test_everything_of_a_user_is_in_one_slot() -> None:
    """Whatever it is, and its channel too."""
    tag = "0123456789abcdef"
    sid = f"{tag}-{'x' * 22}"
    names = [keys.record(sid), keys.history(sid), keys.idempotency(sid, "d"), keys.presence(sid)]
    names += [keys.live_sids(tag), keys.not_before(tag), keys.channel(tag), tag]
    assert len({slot_of(name) for name in names}) == 1
    assert keys.tag_of_channel(keys.channel(tag)) == tag


def test_where_a_command_belongs() -> None:
    """Scripts by the first of their keys, all else by what follows its name."""
    assert first_key(("EVALSHA", "digest", 2, "one", "two", "argument")) == "one"
    assert first_key(("SPUBLISH", "channel", b"payload")) == "channel"
    assert first_key(("HGETALL", "key")) == "key"


def test_a_tag_for_a_shard_is_in_it() -> None:
    """Even where that is one slot; and no two are the same."""
    for ranges in ([range(100, 101)], [range(5000, 5400), range(2)]):
        found = {tag_within(ranges) for _ in range(5)}
        assert len(found) == 5
        assert all(is_within(slot_of(tag), ranges) for tag in found)


def test_what_a_server_says_of_the_cluster() -> None:
    """Ranges of one primary are one shard; a server with no name is on the host that was asked."""
    said = [
        [0, 99, node("a", 1), node("b", 2)],
        [100, SLOTS - 1, node("c", 3, None)],
        [50, 50, node("a", 1), node("b", 2)],
    ]
    view = read_view(INFO, said, ASKED)
    assert [each.primary for each in view.shards] == [("127.0.0.1", 1), ("10.0.0.9", 3)]
    assert view.shards[0].replicas == (("127.0.0.1", 2),)
    assert view.shards[0].slots == (range(100), range(50, 51))
    assert (view.epoch, view.is_ok, view.primary_of(100)) == (7, True, ("10.0.0.9", 3))
    assert size(view.shards[1].slots) == SLOTS - 100


@pytest.mark.parametrize(
    ("facts", "slots"),
    [
        (b"", []),
        (b"OK", [[0, 1, node("a", 1)]]),
        (None, None),
        (INFO, 5),
        (INFO, [[0, 1]]),
        (INFO, [[0, b"x", node("a", 1)]]),
        (INFO, [[0, 1, [b"h", b"p", b"a"]]]),
        (INFO, [[0, 1, [b"\xff", 1, b"a"]]]),
    ],
)
def test_what_is_no_answer_of_a_cluster(facts: Any, slots: Any) -> None:
    """Is taken for none: another server is asked."""
    with pytest.raises(RedisConnectionError):
        read_view(facts, slots, ASKED)


def test_the_newest_epoch_counts_then_whoever_says_that_all_is_well() -> None:
    """And among those, who knows more slots."""
    whole = (served("a", 1, range(SLOTS)),)
    old, down, part, best = (
        View(6, True, whole, ASKED),
        View(7, False, whole, ASKED),
        View(7, True, (), ASKED),
        View(7, True, whole, ASKED),
    )
    assert sorted([best, part, old, down], key=lambda view: view.rank) == [old, down, part, best]


class Said(Topology):
    """Servers that answer as they are told: by port, ``None`` for one that does not."""

    def __init__(self, answers: dict[int, View | None]) -> None:
        super().__init__([("127.0.0.1", port) for port in answers], lambda _: NotImplemented, is_tls=False)
        self.answers, self.last = answers, cast("int | None", None)

    async def _ask_one(self, address: tuple[str, int]) -> View:
        answer = self.answers.get(address[1])
        if address[1] == self.last:
            for _ in range(20):
                await asyncio.sleep(0)  # the others have answered by then
        if answer is None:
            raise RedisConnectionError("away")
        return replace(answer, asked=address)


def of_three(epoch: int, first: int, *, is_ok: bool = True) -> View:
    """Three primaries, the first of them at this port."""
    thirds = range(5461), range(5461, 10922), range(10922, SLOTS)
    ports = first, 2, 3
    shards = (served(f"n{port}", port, slots) for port, slots in zip(ports, thirds, strict=True))
    return View(epoch, is_ok, tuple(shards), ASKED)


async def test_the_newest_of_most_counts_and_an_older_one_where_no_other_can_be_had() -> None:
    """One server that has not heard of a promotion is outvoted by epoch, and waited for if it is the one that has; what
    was known stays known where a server knows nothing at all."""
    old, new = of_three(7, 1), of_three(8, 4)
    said = Said({1: old, 2: new, 3: new})
    assert (await said.ask()).primary_of(0) == ("127.0.0.1", 4)
    said.answers, said.last = {1: old, 2: old, 4: old, 3: new}, 3
    assert (await said.ask()).primary_of(0) == ("127.0.0.1", 4)
    said.answers, said.last = {1: old}, None
    assert (await said.ask()).primary_of(0) == ("127.0.0.1", 1)
    said.answers = {1: View(0, False, (), ASKED)}
    assert (await said.ask()).primary_of(0) == ("127.0.0.1", 1)
    said.answers = {}
    with pytest.raises(RedisConnectionError):
        await said.ask()


@pytest.mark.parametrize(
    ("answers", "do_they"),
    [
        ({1: of_three(7, 1), 2: of_three(7, 1), 3: None}, True),
        ({1: of_three(7, 1), 2: of_three(8, 4), 3: of_three(8, 4)}, False),
        ({1: of_three(7, 1), 2: None, 3: None}, False),
        ({1: of_three(7, 1), 2: of_three(8, 4), 3: None}, False),
        ({1: None, 2: None, 3: None}, False),
    ],
)
async def test_a_primary_is_vouched_for_by_most_primaries_there_are(
    answers: dict[int, View | None], do_they: bool
) -> None:
    """Not by most that can be reached, and not by those that serve nothing."""
    said = Said({1: of_three(7, 1)})
    await said.ask()
    said.answers = answers | {9: of_three(7, 1)}
    assert await said.do_most_name(("127.0.0.1", 1), 0) is do_they


def test_a_shard_is_the_same_after_its_replica_was_promoted() -> None:
    """By the name of the server, whatever became of the old primary; by its slots where it was a stranger; and what has
    neither is another shard."""
    one, two = place(served("a", 1, range(100), "b")), place(served("c", 3, range(100, 200)))
    promoted, moved = served("b", 2, range(90), "a"), served("c", 3, range(90, 200))
    assert pair([one, two], (promoted, moved)) == [(one, promoted), (two, moved)]
    stranger = served("x", 9, range(80))
    assert pair([one, two], (stranger, moved)) == [(one, stranger), (two, moved)]
    new = served("y", 8, range(300, 301))
    assert pair([one, two], (promoted, moved, new))[2] == (None, new)
    assert pair([one, two], (promoted, new)) == [(one, promoted), (None, new)]
    assert pair([], (new,)) == [(None, new)]


def test_a_server_that_swapped_sides_belongs_to_where_it_serves() -> None:
    """A replica of one shard that became primary of another, whose own primary is known still."""
    one, two = place(served("a", 1, range(100), "b")), place(served("c", 3, range(100, 200)))
    kept, swapped = served("a", 1, range(100)), served("b", 2, range(100, 200))
    assert pair([one, two], (swapped, kept)) == [(two, swapped), (one, kept)]


def test_a_place_tells_when_it_moves() -> None:
    """And only then."""
    told: list[Any] = []
    at = place(served("a", 1, range(10)))
    at.on_moved = lambda: told.append(at.current)
    at.move(served("a", 1, range(20)))
    at.move(served("b", 2, range(20)))
    assert (told, at.slots) == ([("127.0.0.1", 2)], (range(20),))


def test_what_is_sent_again_has_a_limit() -> None:
    """Two seconds, and pauses in between from the second time on."""
    assert (PATIENCE_SECONDS, PAUSES[0]) == (2.0, 0.0)
    assert all(pause > 0 for pause in PAUSES[1:])
