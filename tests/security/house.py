"""A hub at work while somebody looks after its keys: two nodes, an app, sessions with tabs, writers that never stop."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from redis import Redis

from hub.store import keys
from hub.store.keyring import Use
from hub.store.keyring.named import Named, read_names
from tests.support.answers import good
from tests.support.contexts import context_token
from tests.support.echo import EchoApp
from tests.support.key_life import Locksmith
from tests.support.nodes import ROOT, Cluster, Node, cluster
from tests.support.tabs import Opened, Tab, as_service, as_user, bearer, log_in, merge, open_tab

PACE_SECONDS = 0.05
APP_CHECK = ROOT / "deploy" / "apps" / "hub_session.py"


@dataclass
class House:
    """Two nodes with an app behind them, the store from outside, and somebody with the keys."""

    cluster: Cluster
    nodes: list[Node]
    outside: Any
    smith: Locksmith
    settings: dict[str, Any]

    def kid_in(self, sid: str, field: str) -> str:
        """The name of the key that a field of a record was made with."""
        return str(self.outside.hget(keys.record(sid), field).partition(b":")[0].decode())

    def sids(self) -> list[str]:
        """Of all records."""
        return [name.decode().rpartition(":")[2] for name in self.outside.scan_iter("hub:{*}:s:*", count=1000)]

    def forget(self, *sids: str) -> None:
        """As if these sessions were over for so long that nothing is kept of them."""
        for sid in sids:
            self.outside.delete(keys.record(sid), keys.history(sid))

    def told(self) -> list[Named]:
        """Which keys the nodes say they have."""
        names = [name.decode() for name in self.outside.zrange(keys.NODES, 0, -1)]
        return [read_names(self.outside.get(keys.node_keys(name))) for name in names]

    async def all_have(self, use: Use, states: dict[str, str]) -> bool:
        """Whether these are the keys that all nodes work with."""
        told = self.told()
        return bool(told) and all(each.get(use) == states for each in told)

    async def all_know(self, use: Use, kid: str) -> bool:
        """Whether all nodes have this key."""
        return all(kid in told.get(use, {}) for told in self.told())

    async def all_sign_with(self, opened: Opened, kid: str) -> bool:
        """Whether all nodes sign context tokens with this key."""
        tokens = [await context_token(node, opened, "a") for node in self.nodes]
        return all(json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"] == kid for token in tokens)


@contextmanager
def house_of_its_own() -> Iterator[House]:
    """With a store and a key ring of its own."""
    with cluster() as made, EchoApp() as app, Redis.from_url(made.store_url) as outside:
        settings: dict[str, Any] = {"HUB_APPS__A__UPSTREAM": app.url}
        nodes = [made.node(**settings) for _ in range(2)]
        yield House(made, nodes, outside, Locksmith.of(made), settings)


class Seat:
    """A session with a tab at each node, and a writer that never stops: the service and the user in turn, at both."""

    def __init__(self, house: House, opened: Opened) -> None:
        self._house, self.opened = house, opened
        self.tabs: list[Tab] = []
        self.commits, self.position, self.is_writing = 0, opened.position, True

    async def open_tabs(self, stack: AsyncExitStack) -> None:
        """One at each node."""
        for node in self._house.nodes:
            tab = await stack.enter_async_context(await open_tab(node, self.opened.token))
            self.tabs.append(await tab.until_live())

    async def write(self) -> None:
        """Until it is told to stop. Whatever goes wrong is a failure."""
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(as_user(node, self.opened)) for node in self._house.nodes]
            clients += [await stack.enter_async_context(as_service(node)) for node in self._house.nodes]
            while self.is_writing:
                client = clients[self.commits % len(clients)]
                done = good(await merge(client, self.opened.sid, {"profile": {"n": self.commits + 1}}))
                self.commits, self.position = self.commits + 1, done["position"]
                await asyncio.sleep(PACE_SECONDS)  # a pace, not a wait

    async def check(self) -> None:
        """Every tab has heard every commit, at no time anything else, and the session answers at both nodes."""
        assert self.commits > 3
        for tab in self.tabs:
            await tab.until(lambda tab: tab.position == self.position)
            assert tab.document["profile"]["n"] == self.commits
            heard = [frame for frame in tab.frames if frame["type"] == "change"]
            assert len(heard) == self.commits, "one change a commit"
            assert set(tab.types) == {"snapshot", "live", "change"}
            assert tab.closed_at is None
        await check_alive(self._house, self.opened)


async def check_alive(house: House, opened: Opened) -> None:
    """The session answers at all nodes."""
    for node in house.nodes:
        async with as_user(node, opened) as user:
            assert good(await user.get("/v1/sessions/me"))["sid"] == opened.sid


@asynccontextmanager
async def at_work(house: House, sessions: int) -> AsyncIterator[list[Seat]]:
    """Sessions with tabs and writers; afterwards all of them are well."""
    async with AsyncExitStack() as stack:
        seats = [
            Seat(house, await log_in(house.cluster, house.nodes[n % 2], f"user-{n // 2}")) for n in range(sessions)
        ]
        for seat in seats:
            await seat.open_tabs(stack)
        writing = [asyncio.create_task(seat.write()) for seat in seats]
        try:
            yield seats
        finally:
            for seat in seats:
                seat.is_writing = False
            await asyncio.gather(*writing)
        for seat in seats:
            await seat.check()


async def log_out(node: Node, opened: Opened) -> None:
    """Log out."""
    async with as_user(node, opened) as user:
        good(await user.delete("/v1/sessions/me"), 204)


def app_check(node: Node, knows: Any = None) -> Any:
    """The code that apps copy, as app ``a`` has it; with what another one ``knows``, and no way to ask."""
    spec = importlib.util.spec_from_file_location("hub_session", APP_CHECK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if knows is None:
        return module.HubSession(node.url, "a")
    made = module.HubSession(node.url, "a", jwks_url="http://127.0.0.1:9/none")
    vars(made).update({name: value for name, value in vars(knows).items() if name != "_jwks_url"})
    return made


async def lists(node: Node, kids: set[str]) -> bool:
    """Whether the public list of keys is exactly this."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        said = (await client.get("/.well-known/jwks.json")).json()
    return {key["kid"] for key in said["keys"]} == kids


async def have_more(seats: list[Seat], than: list[int]) -> bool:
    """Whether every writer went on since."""
    return all(seat.commits > count + 3 for seat, count in zip(seats, than, strict=True))


def look_twice(node: Node) -> None:
    """A forged token of an unknown key makes a node look at its ring, there and then."""
    forged = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in _FORGED)
    for _ in range(2):
        httpx.get(f"{node.url}/v1/sessions/{'0' * 16}-{'a' * 22}/document", headers=bearer(forged))


_FORGED = (b'{"alg":"ES256","typ":"hub-session+jwt","kid":"unknown"}', b"{}", b"0" * 64)
