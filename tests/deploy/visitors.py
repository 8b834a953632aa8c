"""A person at the composed site, their tabs, and programs that never stop asking: all through nginx, over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import httpx
from websockets.exceptions import InvalidHandshake

from tests.deploy.composed import Front
from tests.support.tabs import Tab, merge, open_with, resume_with
from tests.support.waiting import eventually

AGAIN_SECONDS = 0.05
GIVE_UP_SECONDS = 10.0
THINK_SECONDS = 0.03  # a tab that is away for five seconds misses fewer changes than a resume may bring
NAVIGATES = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}


class Person:
    """Logged in at the provider, with the site's cookie."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.client = httpx.AsyncClient(base_url=front.url, verify=front.verify, timeout=30)

    async def log_in(self, to: str = "/apps/desk/", name: str = "ada") -> httpx.Response:
        """From where one wanted to go over the provider and back there."""
        answer = await self.client.get(to, headers=NAVIGATES)
        for _ in range(10):
            found = re.search(r'name="transaction" value="([^"]+)"', answer.text)
            if found:
                parts = urlsplit(str(answer.request.url))
                chosen = {"transaction": found[1], "person": name}
                answer = await self.client.post(f"{parts.scheme}://{parts.netloc}/authorize/choice", data=chosen)
            elif answer.status_code in (302, 303, 307):
                target = urljoin(str(answer.request.url), answer.headers["location"])
                answer = await self.client.get(target, headers=NAVIGATES)
            else:
                break
        return answer

    @property
    def headers(self) -> dict[str, str]:
        """What a page of the site sends by itself."""
        cookie = self.client.cookies["__Host-hub"]
        return {"Cookie": f"__Host-hub={cookie}", "Origin": self.front.url}

    async def rename(self, name: str, key: str) -> httpx.Response:
        """One commit, as a page makes it."""
        proof = {"Origin": self.front.url, "X-Hub-CSRF": "1", "Idempotency-Key": key}
        return await merge(self.client, "me", {"profile": {"name": name}}, **proof)


@dataclass
class Return:
    """A tab lost its connection: the code it was closed with, and how long until it was live again."""

    code: int | None
    seconds: float


class Visitor:
    """One tab that stays: comes back when its connection goes, after the pause the protocol asks for."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.returns: list[Return] = []
        self.names: list[str] = []  # each change of the profile's name, in the order in which it was heard
        self.snapshots = 0
        self.tab: Tab | None = None
        self.task = asyncio.create_task(self._stay())

    async def until(self, name: str, seconds: float) -> None:
        """Until it shows this name."""

        async def shows() -> bool:
            document = (self.tab.document if self.tab else None) or {"profile": {}}
            return bool(document["profile"].get("name") == name)

        await eventually(shows, seconds)
        assert self.tab is not None
        self._take_note(self.tab)

    async def until_live(self) -> Visitor:
        """Until it has caught up for the first time."""

        async def is_there() -> bool:
            assert not self.task.done(), self.task.exception()
            return self.tab is not None

        await eventually(is_there)
        return self

    async def leave(self) -> None:
        """Close the tab."""
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def _stay(self) -> None:
        tab = await self._open(None)
        try:
            while True:
                await tab.until_closed(600)
                self._take_note(tab)
                lost, code = time.monotonic(), tab.code
                await asyncio.sleep(random.uniform(0, int(tab.reason) / 1000) if code == 4001 else 0)
                tab = await self._open(tab)
                self.returns.append(Return(code, time.monotonic() - lost))
        finally:
            await tab.socket.close()

    async def _open(self, copy: Tab | None) -> Tab:
        while True:
            headers, front = self.person.headers, self.person.front
            with contextlib.suppress(OSError, InvalidHandshake, TimeoutError):
                tab = await (resume_with(front, headers, copy) if copy else open_with(front, headers))
                await tab.until(lambda tab: "live" in tab.types or tab.closed_at is not None)
                if "live" in tab.types:
                    self.tab = tab
                    return tab
                copy = tab if tab.position else copy
            await asyncio.sleep(AGAIN_SECONDS)

    def _take_note(self, tab: Tab) -> None:
        """What was heard since, taken off the tab."""
        frames, tab.frames = tab.frames, [{"type": "live"}]
        self.snapshots += sum(frame["type"] == "snapshot" for frame in frames)
        for frame in frames:
            if frame["type"] == "change":
                self.names += [
                    op["value"] if op["path"] == "/profile/name" else op["value"]["name"]
                    for op in frame["ops"]
                    if op["path"] in ("/profile/name", "/profile")
                ]


@dataclass
class Asking:
    """Programs that read and commit for as long as it lasts. A commit without a 200 is asked again under its key."""

    person: Person
    acknowledged: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)  # of every answer
    unanswered: int = 0
    patience_seconds: float = GIVE_UP_SECONDS
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def commit(self) -> None:
        """One name after the other."""
        while not self.stopping.is_set():
            name, key = f"Ada {len(self.acknowledged)}", uuid.uuid4().hex
            await eventually(lambda: self._ask(self.person.rename(name, key)), self.patience_seconds)  # noqa: B023  # awaited here
            self.acknowledged.append(name)
            await asyncio.sleep(THINK_SECONDS)

    async def read(self) -> None:
        """Read the document, and a page of an app."""
        while not self.stopping.is_set():
            await self._ask(self.person.client.get("/v1/sessions/me/document"))
            await self._ask(self.person.client.get("/apps/a/healthz"))

    async def _ask(self, asked: Awaitable[httpx.Response]) -> bool:
        try:
            answer = await asked
        except httpx.TransportError:
            self.unanswered += 1
            return False
        self.statuses.append(answer.status_code)
        return answer.status_code == httpx.codes.OK


@asynccontextmanager
async def asking(person: Person, patience_seconds: float = GIVE_UP_SECONDS) -> AsyncIterator[Asking]:
    """One who commits and two who read, until the end."""
    made = Asking(person, patience_seconds=patience_seconds)
    tasks = [asyncio.create_task(job) for job in (made.commit(), made.read(), made.read())]
    try:
        yield made
    finally:
        made.stopping.set()
        await asyncio.gather(*tasks)


async def has(made: Asking, count: int) -> bool:
    """Whether so many commits were acknowledged."""
    return len(made.acknowledged) >= count


@asynccontextmanager
async def visiting(front: Front) -> AsyncIterator[tuple[Person, Visitor]]:
    """Ada, logged in through nginx, with a tab."""
    ada = Person(front)
    assert (await ada.log_in()).status_code == httpx.codes.OK
    tab = await Visitor(ada).until_live()
    try:
        yield ada, tab
    finally:
        await tab.leave()
        await ada.client.aclose()


async def names_in_the_history(person: Person, since: str) -> list[str]:
    """Each name that the session had after this position, in the order of the history."""
    names: list[str] = []
    while True:
        said = (await person.client.get("/v1/sessions/me/changes", params={"since": since})).json()
        if not said["changes"]:
            return names
        since = said["to"]
        for change in said["changes"]:
            values = {op["path"]: op["value"] for op in change["ops"]}
            names += [value if path == "/profile/name" else value["name"] for path, value in values.items()]
