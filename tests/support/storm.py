"""A storm: every tab of a node that is killed comes back to another one at once, while callers go on.

The sessions are made straight in the store. What is found out is a ``Storm``: when each tab was live again, what
callers felt before and meanwhile, whether any copy differs from the store, and what it cost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from hub.core.ports import NewSession
from hub.core.session import LogIn
from hub.identity.session_tokens import SessionTokens
from hub.store.keyring import KeyRing
from hub.store.store import Store
from tests.benchmarks.measuring import cpu_seconds, peak_kib, resident_kib
from tests.support.crowd import Crowd
from tests.support.crowd_tab import digest
from tests.support.nodes import Cluster, Node
from tests.support.pace import Answered, Pace, percentile
from tests.support.stores import pid_of
from tests.support.truth import store_of

OPENED_AT_ONCE = 200
SETTLE_SECONDS = 10.0
DAY_MS = 86_400_000
VISIBLE = ("identity", "profile", "preferences", "cart", "shown")


@dataclass(frozen=True)
class Held:
    """A session, and the token that proves it."""

    sid: str
    token: str


async def sessions(cluster: Cluster, count: int) -> list[Held]:
    """So many, one a user."""
    ring = KeyRing.load(cluster.ring)
    tokens = SessionTokens(ring.token.secrets, ring.token.active.kid)
    made: list[Held] = []
    async with store_of(cluster) as store:
        while len(made) < count:
            some = range(len(made), min(count, len(made) + OPENED_AT_ONCE))
            made += await asyncio.gather(*(_open(store, tokens, cluster.provider.issuer, number) for number in some))
    return made


async def _open(store: Store, tokens: SessionTokens, issuer: str, number: int) -> Held:
    user, now = f"user-{number}", int(time.time() * 1000)
    sid = store.new_sid(issuer, user)
    token, verifier = tokens.new(sid)
    opened = await store.open(
        NewSession(
            sid=sid,
            log_in=LogIn("main", issuer, user, now // 1000, now),
            verifier=verifier,
            document={"identity": {"sub": user}, "profile": {"name": user}, "cart": {"at": -1}},
            absolute_ms=DAY_MS,
            idle_ms=DAY_MS,
            retention_ms=60_000,
            per_user=64,
            actor=f"user:{user}",
            request_id="request",
        )
    )
    assert opened is not None
    return Held(sid, token)


@dataclass
class Costs:
    """Of one process, over the storm."""

    cpu_seconds: float
    resident_kib: int
    peak_kib: int


@dataclass
class Storm:
    """What was found out. Seconds count from the kill; ``quiet`` and ``during`` are what callers felt."""

    tabs: int
    back: list[float]
    quiet: list[Answered]
    during: list[Answered]
    wrong: list[str]
    counts: dict[str, int]
    node: Costs
    store: Costs
    crowd_cpu_seconds: float
    caller_cpu_seconds: float
    commits: int = field(init=False)

    def __post_init__(self) -> None:
        self.commits = sum(each.kind == "commit" and each.status == 200 for each in self.during)

    @property
    def refusals(self) -> list[Answered]:
        """Callers that were not served."""
        return [each for each in [*self.quiet, *self.during] if each.status != 200]

    def p99_ms(self, answers: Sequence[Answered]) -> float:
        """Of these."""
        return percentile([each.seconds for each in answers], 0.99) * 1000


@asynccontextmanager
async def crowds(count: int) -> AsyncIterator[list[Crowd]]:
    """So many processes for tabs."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Crowd()) for _ in range(count)]


async def open_all(crowd: Sequence[Crowd], tokens: Sequence[str], ports: Sequence[int]) -> None:
    """The tabs, shared out among the processes."""
    parts = [tokens[number :: len(crowd)] for number in range(len(crowd))]
    await asyncio.gather(*(each.open(part, ports) for each, part in zip(crowd, parts, strict=True)))


async def storm(
    cluster: Cluster,
    nodes: tuple[Node, Node],
    held: Sequence[Held],
    *,
    tabs_each: int,
    processes: int,
    quiet_seconds: float,
    per_second: float,
    latest_seconds: float,
    tick: Callable[[str], None] = lambda _: None,
) -> Storm:
    """Kill the first of the nodes under all of these tabs, while callers of the second go on at ``per_second``."""
    dying, other = nodes
    tokens = [each.token for each in held for _ in range(tabs_each)]
    async with crowds(processes) as crowd, Pace() as pace:
        tick(f"opening {len(tokens)} tabs")
        await open_all(crowd, tokens, [dying.port, other.port])
        await pace.start(other.port, [each.sid for each in held], per_second)
        tick("quiet")
        await asyncio.sleep(quiet_seconds)
        tick("the storm")
        before = {pid: cpu_seconds(pid) for pid in (other.process.pid, pid_of(cluster.store), pace.pid)}
        crowd_before = [(await each.report()).cpu_seconds for each in crowd]
        killed = time.monotonic()
        dying.kill()
        await until_live(crowd, len(tokens), killed + latest_seconds)
        # p99 of callers while tabs come back; then quiet again, so that the last changes arrive
        reports = [await each.report() for each in crowd]
        costs = [_costs(pid, before[pid]) for pid in (other.process.pid, pid_of(cluster.store), pace.pid)]
        answered = await pace.stop()
        wrong = [said for each in reports for said in each.complaints]
        wrong += await differing(cluster, crowd, held, tabs_each)
        live_at = [at for each in reports for at in each.live_at]
        last = max((at for at in live_at if at is not None), default=killed)
        counts: dict[str, int] = {}
        for each in reports:
            for name, count in each.counts.items():
                counts[name] = counts.get(name, 0) + count
        return Storm(
            tabs=len(tokens),
            back=sorted(at - killed for at in live_at if at is not None and at > killed),
            quiet=[each for each in answered if each.due < killed],
            during=[each for each in answered if killed <= each.due <= last],
            wrong=wrong,
            counts=counts,
            node=costs[0],
            store=costs[1],
            crowd_cpu_seconds=sum(each.cpu_seconds - was for each, was in zip(reports, crowd_before, strict=True)),
            caller_cpu_seconds=costs[2].cpu_seconds,
        )


def _costs(pid: int, cpu_before: float) -> Costs:
    return Costs(cpu_seconds(pid) - cpu_before, resident_kib(pid), peak_kib(pid))


async def until_live(crowd: Sequence[Crowd], count: int, deadline: float) -> None:
    """Until so many tabs are live, or it is too late."""
    was_low = False
    while time.monotonic() < deadline:
        live = sum([await each.live() for each in crowd])
        was_low = was_low or live < count
        if was_low and live == count:
            return
        await asyncio.sleep(0.1)


async def differing(cluster: Cluster, crowd: Sequence[Crowd], held: Sequence[Held], tabs_each: int) -> list[str]:
    """The tabs whose copy is not what the store has, once all has had the time to arrive."""
    deadline = time.monotonic() + SETTLE_SECONDS
    truth = await _truth(cluster, held)
    expected = [truth[each.sid] for each in held for _ in range(tabs_each)]
    while True:
        found: list[tuple[str, str]] = [("", "")] * len(expected)
        for number, each in enumerate(crowd):
            found[number :: len(crowd)] = await each.copies()
        pairs = enumerate(zip(expected, found, strict=True))
        wrong = [f"tab {number} is at {got}, the store at {due}" for number, (due, got) in pairs if due != got]
        if not wrong or time.monotonic() > deadline:
            return wrong
        await asyncio.sleep(0.2)


async def _truth(cluster: Cluster, held: Sequence[Held]) -> dict[str, tuple[str, str]]:
    truth: dict[str, tuple[str, str]] = {}
    async with store_of(cluster) as store:
        for each in held:
            session = await store.read(each.sid)
            assert session is not None
            visible = {name: value for name, value in session.document.items() if name in VISIBLE}
            truth[each.sid] = (str(session.position), digest(visible))
    return truth
