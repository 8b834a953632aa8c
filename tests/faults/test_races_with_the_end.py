"""Commits and touches race with the end of their session: whoever wins, it is over for good."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from hub.store.store import Store
from tests.faults.lengths import CONTROL_RACES, RACES
from tests.faults.stage import CRIPPLED
from tests.support.copies import Copy
from tests.support.histories import Recorded, violations
from tests.support.load import Load, Track, new_key
from tests.support.nodes import SERVICE_KEY, Cluster, Node, cluster
from tests.support.sessions import opening
from tests.support.tabs import Opened
from tests.support.truth import store_of, truth_in

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

AT_ONCE = 40
CLOSE_SECONDS = 3.0  # of forty sessions at once on a busy machine; one alone is closed within a second


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """Nodes of its own: they may be crippled."""
    with cluster() as made:
        yield made


class Race:
    """One session, opened, committed to by both nodes, touched and ended, all at once; then asked whether it lives."""

    def __init__(self, load: Load, store: Store, nodes: list[Node], number: int) -> None:
        self.load, self.store, self.nodes, self.number = load, store, nodes, number
        self.won = 0

    async def run(self) -> list[str]:
        """What does not hold."""
        session = await opening(self.store, document={"profile": {"log": []}}).live()
        first, name = str(session.position), f"race-{self.number}"
        track = Track(Opened(session.sid, "", first, name), Recorded(first, session.document), will_end=True)
        copy = Copy(name, [self.nodes[self.number % 2]], SERVICE_KEY, session.sid)
        track.recorded.stories = [copy.story]
        try:
            assert await copy.until_at(first, 5)
            end = self.load.end(track, self.number // 2, CLOSE_SECONDS)
            commits = [self.commit(track, node) for node in (0, 1, 0, 1)]
            await asyncio.gather(commits[0], commits[1], end, self.touch(track), commits[2], commits[3])
            return await self.aftermath(track, copy)
        finally:
            await copy.stop()

    async def commit(self, track: Track, node: int) -> None:
        """Append a key, blindly."""
        key = new_key(node)
        self.won += await self.load.commit(track, node, [{"op": "add", "path": "/profile/log/-", "value": key}], key)

    async def touch(self, track: Track) -> None:
        """Slide the idle deadline, as a navigation would."""
        session = await self.store.read(track.opened.sid)
        if session is not None:
            await self.store.touch(session, 1_000_000)

    async def aftermath(self, track: Track, copy: Copy) -> list[str]:
        """Both nodes must say that it is over, and the store too; the history ends with the end."""
        for node in (0, 1):
            await self.commit(track, node)
            await self.load.look(track, node)
        await copy.until_over(CLOSE_SECONDS)
        found = await truth_in(self.store, track.opened.sid, track.recorded.first_position)
        track.recorded.history = found.history
        facts = violations(track.recorded)
        if found.session.ending is None:
            facts.append("end_is_final: the record is alive")
        if [change["kind"] for change in found.history][-1:] != ["end"]:
            facts.append("end_is_final: the history does not end with the end")
        return facts


async def run_races(own_cluster: Cluster, cripples: str, races: int) -> tuple[list[str], list[Race]]:
    """So many of them, some at once; what does not hold, and the races."""
    nodes = [own_cluster.node(CRIPPLED, CRIPPLES=cripples) for _ in range(2)]
    room = asyncio.Semaphore(AT_ONCE)
    async with Load(own_cluster, nodes, 0.0) as load, store_of(own_cluster) as store:
        run = [Race(load, store, nodes, number) for number in range(races)]

        async def one(race: Race) -> list[str]:
            async with room:
                return await race.run()

        found = await asyncio.gather(*map(one, run))
    return [fact for facts in found for fact in facts], run


async def test_after_every_race_the_session_is_over(own_cluster: Cluster) -> None:
    """A thousand of them in ``make faults``: never alive again, no change after ``ended``, and what was acknowledged
    is in the history."""
    found, races = await run_races(own_cluster, "", RACES)
    assert not found, found[:5]
    assert 0 < sum(race.won for race in races) < 4 * RACES, "the end always came first, or always last"


async def test_a_commit_that_does_not_look_whether_the_session_lives_is_found(own_cluster: Cluster) -> None:
    """Negative control."""
    found, _ = await run_races(own_cluster, "undead", CONTROL_RACES)
    assert any("end_is_final" in fact for fact in found), found[:5]
