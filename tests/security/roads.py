"""Every road on which a session ends, and those who travel it: people with tabs of every kind at two nodes."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from tests.support.answers import good
from tests.support.event_tabs import EventTab, open_events, stream_client
from tests.support.nodes import ROOT, SERVICE_KEY, Cluster, Node, clean_environment
from tests.support.tabs import Hearing, Opened, Tab, as_service, as_user, bearer, log_in, open_with


def short_lived(cluster: Cluster, module: str = "hub", cripples: str = "", *, idle: str, absolute: str) -> Node:
    """A node that opens sessions of a short life, two for a user."""
    return cluster.node(
        module,
        CRIPPLES=cripples,
        HUB_SESSION__IDLE=idle,
        HUB_SESSION__ABSOLUTE=absolute,
        HUB_SESSION__PER_USER="2",
    )


@dataclass
class Place:
    """Two nodes, one that opens sessions of a short life, an operator's browser, and a client for streams."""

    cluster: Cluster
    nodes: Sequence[Node]
    short: Node
    streams: httpx.AsyncClient
    operator: httpx.AsyncClient


@asynccontextmanager
async def place_of(cluster: Cluster, nodes: Sequence[Node], short: Node) -> AsyncIterator[Place]:
    """Set it up."""
    olga = await log_in(cluster, nodes[0], "olga", groups=["operators"])
    async with stream_client() as streams, in_browser(nodes[0], olga) as operator:
        yield Place(cluster, nodes, short, streams, operator)


def in_browser(node: Node, opened: Opened) -> httpx.AsyncClient:
    """A browser at this node that has the session's cookie."""
    headers = {"Origin": node.url, "X-Hub-CSRF": "1"}
    return httpx.AsyncClient(base_url=node.url, headers=headers, cookies={"hub": opened.token}, verify=node.verify)


@dataclass
class Seat:
    """One session and its tabs."""

    opened: Opened
    tabs: list[Hearing] = field(default_factory=list)


@dataclass
class Person:
    """A user of two sessions."""

    user: str
    seats: list[Seat] = field(default_factory=list)


async def open_seat(place: Place, node: Node, user: str, tabs: int, stack: AsyncExitStack, **claims: Any) -> Seat:
    """Log in at a node, and open tabs of every kind at both."""
    seat = Seat(await log_in(place.cluster, node, user, **claims))
    seat.tabs = list(await asyncio.gather(*(open_one(place, seat.opened, number) for number in range(tabs))))
    for tab in seat.tabs:
        await stack.enter_async_context(tab)  # type: ignore[arg-type]  # both kinds are contexts
        await tab.until_live()
    return seat


async def open_one(place: Place, opened: Opened, number: int) -> Tab | EventTab:
    """A tab whose kind and node follow from its number."""
    node = place.nodes[number % 2]
    by_cookie = {"Cookie": f"hub={opened.token}", "Origin": node.url}
    shown = by_cookie if number // 2 % 2 else bearer(opened.token)
    if number % 3 == 2:
        return await open_events(place.streams, node, shown)
    return await open_with(node, shown)


# roads


@dataclass(frozen=True)
class Road:
    """``travel`` makes the end happen, and says since when it counts. ``ends``: which of the two sessions."""

    name: str
    reason: str
    ends: tuple[int, ...]
    travel: Callable[[Place, Person], Awaitable[float]]
    is_command: bool = False
    is_short: bool = False  # the first session is opened where lives are short
    claims: Callable[[str], dict[str, str]] = lambda user: {}


def now() -> float:
    """Seconds, by the loop's clock."""
    return asyncio.get_running_loop().time()


async def _ask(client: httpx.AsyncClient, method: str, path: str, status: int, **more: Any) -> float:
    since = now()
    async with client:
        answer = await client.request(method, path, **more)
    assert answer.status_code == status, answer.text
    return since


async def log_out_here(place: Place, person: Person) -> float:
    return await _ask(in_browser(place.nodes[1], person.seats[0].opened), "POST", "/auth/logout", 204)


async def log_out_everywhere(place: Place, person: Person) -> float:
    return await _ask(in_browser(place.nodes[1], person.seats[0].opened), "POST", "/auth/logout?everywhere=1", 204)


async def end_all_but_this(place: Place, person: Person) -> float:
    own = person.seats[0].opened
    return await _ask(as_user(place.nodes[0], own), "DELETE", f"/v1/users/me/sessions?except={own.sid}", 200)


async def end_own(place: Place, person: Person) -> float:
    return await _ask(as_user(place.nodes[0], person.seats[0].opened), "DELETE", "/v1/sessions/me", 204)


async def operator_ends_one(place: Place, person: Person) -> float:
    since = now()
    answer = await place.operator.delete(f"/v1/sessions/{person.seats[0].opened.sid}")
    assert answer.status_code == 204, answer.text
    return since


async def operator_ends_all(place: Place, person: Person) -> float:
    since = now()
    answer = await place.operator.delete(f"/v1/users/{person.user}/sessions")
    assert (answer.status_code, answer.json()) == (200, {"ended": 2}), answer.text
    return since


async def service_ends_one(place: Place, person: Person) -> float:
    return await _ask(as_service(place.nodes[1]), "DELETE", f"/v1/sessions/{person.seats[0].opened.sid}", 204)


def _order(place: Place, **claims: Any) -> Awaitable[float]:
    token = place.cluster.provider.logout_token(**claims)
    client = httpx.AsyncClient(base_url=place.nodes[1].url, verify=False)
    return _ask(client, "POST", "/auth/backchannel", 200, data={"logout_token": token})


async def provider_ends_by_sid(place: Place, person: Person) -> float:
    return await _order(place, sid=f"idp-{person.user}")


async def provider_ends_by_sub(place: Place, person: Person) -> float:
    return await _order(place, sub=person.user)


async def do_nothing(place: Place, person: Person) -> float:
    return await _until(place, person, "idle_expires_at")


async def be_busy_to_the_last(place: Place, person: Person) -> float:
    tab = person.seats[0].tabs[0]
    assert isinstance(tab, Tab)
    await tab.send({"type": "activity"})
    return await _until(place, person, "expires_at")


async def _until(place: Place, person: Person, deadline: str) -> float:
    async with as_service(place.nodes[0]) as service:
        about = good(await service.get(f"/v1/sessions/{person.seats[0].opened.sid}"))
    left = datetime.fromisoformat(about[deadline]).timestamp() - time.time()
    assert left > 0, "the tabs were opened too late for this road"
    since = now() + left
    await asyncio.sleep(left)  # no guess: the deadline is known
    return since


async def open_one_more(place: Place, person: Person) -> float:
    since = now()
    await log_in(place.cluster, place.short, person.user)
    return since


async def command_ends_one(place: Place, person: Person) -> float:
    return await _command(place, person, "sessions", "end", person.seats[0].opened.sid)


async def command_ends_all(place: Place, person: Person) -> float:
    return await _command(place, person, "users", "end", person.user)


async def _command(place: Place, person: Person, *arguments: str) -> float:
    """Its start takes long, so it counts from the time of the end that the store wrote down."""
    command = [sys.executable, "-m", "hub", *arguments, "--url", place.nodes[1].url, "--json"]
    settings = clean_environment() | {"HUB_TOKEN": SERVICE_KEY}
    process = await asyncio.create_subprocess_exec(*command, env=settings, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == os.EX_OK
    async with as_service(place.nodes[0]) as service:
        about = good(await service.get(f"/v1/sessions/{person.seats[0].opened.sid}"))
    return now() - (time.time() - datetime.fromisoformat(about["ended_at"]).timestamp())


def idp_sid(user: str) -> dict[str, str]:
    """The first session came from a session at the provider that has a name."""
    return {"sid": f"idp-{user}"}


ROADS = [
    Road("log-out here", "logged_out", (0,), log_out_here),
    Road("log-out everywhere", "logged_out", (0, 1), log_out_everywhere),
    Road("everywhere but here", "logged_out", (1,), end_all_but_this),
    Road("the own session", "logged_out", (0,), end_own),
    Road("operator, one", "revoked", (0,), operator_ends_one),
    Road("operator, all", "revoked", (0, 1), operator_ends_all),
    Road("service", "revoked", (0,), service_ends_one),
    Road("provider, by sid", "logged_out", (0,), provider_ends_by_sid, claims=idp_sid),
    Road("provider, by sub", "logged_out", (0, 1), provider_ends_by_sub),
    Road("too many sessions", "replaced", (1,), open_one_more),
    Road("hub sessions end", "revoked", (0,), command_ends_one, is_command=True),
    Road("hub users end", "revoked", (0, 1), command_ends_all, is_command=True),
    Road("absolute age", "expired", (0,), be_busy_to_the_last, is_short=True),
    Road("idle", "idle", (0,), do_nothing, is_short=True),
]
