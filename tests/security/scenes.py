"""A scene: people at their tabs, one road, and what the ended and everybody else must notice of it.

Three people have two sessions and ten tabs each: WebSockets and event streams, by cookie and by bearer, at two nodes.
A road ends some sessions of the first person; ``Outcome`` says how long their tabs were open after that.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tests.security.roads import Person, Place, Road, Seat, in_browser, now, open_seat
from tests.support.answers import good, problem
from tests.support.event_tabs import EventTab
from tests.support.tabs import Hearing, as_service, merge

TABS = (6, 4)  # of a person's first and second session
WRITER_PAUSE_SECONDS = 0.02


@dataclass
class Outcome:
    """How long after its end the tabs of a session were closed, in seconds."""

    road: str
    seconds: list[float]


@dataclass
class Scene:
    """Three people; what happens to the first one is the road's doing."""

    place: Place
    road: Road
    people: list[Person]
    is_travelled: bool = False

    @property
    def doomed(self) -> list[Seat]:
        """The sessions to be ended."""
        return [self.people[0].seats[number] for number in self.road.ends]

    @property
    def spared(self) -> list[Seat]:
        """All others."""
        return [seat for person in self.people for seat in person.seats if seat not in self.doomed]

    async def play(self, limit_seconds: float, pause_seconds: float = WRITER_PAUSE_SECONDS) -> Outcome:
        """End, while commits go on where they may; the tabs of the ended are closed in time and told why."""
        writers = [] if self.road.is_short else self.doomed  # a commit would find out what the clock must
        writing = [asyncio.create_task(self._write(seat, pause_seconds)) for seat in writers]
        since = await self.road.travel(self.place, self.people[0])
        self.is_travelled = True
        tabs = [tab for seat in self.doomed for tab in seat.tabs]
        await asyncio.gather(*(tab.until_closed(limit_seconds + max(0.0, since - now())) for tab in tabs))
        await asyncio.gather(*writing)
        for tab in tabs:
            self._judge(tab)
        seconds = [max(0.0, (tab.closed_at or 0.0) - since) for tab in tabs]
        assert max(seconds) <= limit_seconds, (self.road.name, seconds)
        return Outcome(self.road.name, seconds)

    async def _write(self, seat: Seat, pause_seconds: float) -> None:
        async with as_service(self.place.nodes[0]) as service:
            count, status = 0, 200
            while status == 200:
                count += 1
                answer = await merge(service, seat.opened.sid, {"profile": {"n": count}})
                status = answer.status_code
                await asyncio.sleep(pause_seconds)  # a pace, not a wait
            problem(answer, 410, "session_ended")

    def _judge(self, tab: Hearing) -> None:
        """``ended`` with the right reason is the last thing heard, then the close."""
        where = (self.road.name, type(tab).__name__, tab.types[-3:])
        assert tab.types.count("ended") == 1, where
        assert (tab.types[-1], tab.frames[-1]["reason"]) == ("ended", self.road.reason), where
        if isinstance(tab, EventTab):
            assert tab.is_whole, where
        else:
            assert tab.code == 4500, where

    async def aftermath(self, *, is_disturbed: bool = False) -> None:
        """The ended are shut out everywhere; the others go on as if nothing had been."""
        await asyncio.gather(*(self._is_shut_out(seat) for seat in self.doomed))
        await asyncio.gather(*(self._goes_on(seat, is_disturbed) for seat in self.spared))

    async def _is_shut_out(self, seat: Seat) -> None:
        for node in self.place.nodes:
            async with in_browser(node, seat.opened) as browser, as_service(node) as service:
                said = problem(await browser.get("/v1/sessions/me"), 401, "session_ended")
                assert said["reason"] == self.road.reason
                assert (await browser.get("/v1/sessions/me/events")).status_code == 204, "a stream is not reopened"
                path = f"/v1/sessions/{seat.opened.sid}/document"
                assert problem(await service.get(path), 410, "session_ended")["reason"] == self.road.reason

    async def _goes_on(self, seat: Seat, is_disturbed: bool) -> None:
        async with as_service(self.place.nodes[1]) as service:
            done = good(await merge(service, seat.opened.sid, {"cart": {"after": self.road.name}}))
        for tab in seat.tabs:
            await tab.until(lambda tab: tab.position == done["position"])
            assert tab.closed_at is None, self.road.name
            assert "ended" not in tab.types, self.road.name
            assert is_disturbed or tab.types == ["snapshot", "live", "change"], (self.road.name, tab.types)


async def set_scene(place: Place, road: Road, stack: AsyncExitStack, sizes: Sequence[int] = TABS) -> Scene:
    """Everybody logs in and opens tabs; those who live shortly come last."""
    people = [Person(f"{name}-{secrets.token_hex(4)}") for name in ("ada", "grace", "linus")]
    for person in reversed(people):
        is_first = person is people[0]
        claims = road.claims(person.user) if is_first else {}
        for number, tabs in reversed(list(enumerate(sizes))):
            node = place.short if is_first and road.is_short and number == 0 else place.nodes[number % 2]
            own = claims if number == 0 else {}
            person.seats.insert(0, await open_seat(place, node, person.user, tabs, stack, **own))
    return Scene(place, road, people)
