"""The store goes away and comes back: clearly in maintenance meanwhile, nobody logged out, nothing lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.nodes import Cluster, Node, cluster
from tests.support.stores import kill, pid_of
from tests.support.tabs import MERGE, Tab, as_user, bearer, log_in, merge, open_tab, open_with

pytestmark = [pytest.mark.faults, pytest.mark.timeout(60)]

SECONDS = 12.0


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A cluster whose store may be broken."""
    with cluster() as made:
        yield made


@pytest.fixture(scope="module")
def one(own: Cluster) -> Node:
    """Its node."""
    return own.node()


async def eventually(ask: Callable[[], Awaitable[httpx.Response]], status: int) -> httpx.Response:
    """Ask until the answer has this status."""
    async with asyncio.timeout(SECONDS):
        while (answer := await ask()).status_code != status:
            assert answer.status_code in (200, 503), answer.text
    return answer


@asynccontextmanager
async def killed(own: Cluster) -> AsyncIterator[None]:
    """No store; afterwards a new process on the same data."""
    kill(own.store)
    yield
    assert own.store.start() == own.store_url  # on this thread: the store dies with the thread that started it


@asynccontextmanager
async def frozen(own: Cluster) -> AsyncIterator[None]:
    """A store that does not answer; afterwards it goes on."""
    pid = pid_of(own.store)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def assert_calm(node: Node, user: httpx.AsyncClient) -> None:
    """Every call is 503 with Retry-After: never a 401, a cookie, or an ``ended``."""
    ask = lambda: user.get("/v1/sessions/me")  # noqa: E731
    problem(await eventually(ask, 503), 503, "maintenance")
    patch = {"Content-Type": MERGE}
    for answer in (
        await user.get("/v1/sessions/me/document"),
        await user.patch("/v1/sessions/me/document", content=b'{"cart": {"n": 9}}', headers=patch),
        await user.delete("/v1/sessions/me"),
        await user.delete("/v1/users/me/sessions"),
        await user.post("/v1/sessions/me/tickets"),
        await user.get("/v1/sessions/me/events"),
    ):
        problem(answer, 503, "maintenance")
    ready = await user.get("/readyz")
    assert (ready.status_code, ready.json()["mode"], ready.json()["store"]) == (503, "maintenance", False)
    assert (await user.get("/healthz")).status_code == 200


@pytest.mark.parametrize("broken", [killed, frozen], ids=lambda how: how.__name__)
async def test_an_outage_of_the_store_logs_nobody_out(
    own: Cluster,
    one: Node,
    broken: Callable[[Cluster], asynccontextmanager[None]],  # type: ignore[valid-type]
) -> None:
    """503 meanwhile, tabs stay and are told; then the same token works and every acknowledged commit is there."""
    opened = await log_in(own, one)
    async with as_user(one, opened) as user, await open_tab(one, opened.token) as tab:
        await tab.until_live()
        done = good(await merge(user, "me", {"cart": {"n": 1}}))
        async with broken(own):  # type: ignore[attr-defined]
            await assert_calm(one, user)
            await tab.until(lambda tab: _modes(tab)[-1:] == ["maintenance"], SECONDS)
            assert tab.frames[-1]["retry_after_seconds"] >= 1
            with pytest.raises(Exception, match="503"):
                await open_with(one, bearer(opened.token))
        await tab.until(lambda tab: _modes(tab)[-1:] == ["live"], SECONDS)
        await eventually(lambda: user.get("/readyz"), 200)
        answer = await eventually(lambda: user.get("/v1/sessions/me/document"), 200)
        assert good(answer)["cart"] == {"n": 1}
        assert answer.headers["ETag"] == f'"{done["position"]}"'
        last = good(await merge(user, "me", {"cart": {"n": 2}}))
        await tab.until(lambda tab: tab.position == last["position"], SECONDS)
        assert tab.document["cart"] == {"n": 2}
        assert "ended" not in tab.types


def _modes(tab: Tab) -> list[str]:
    return [frame["mode"] for frame in tab.frames if frame["type"] == "mode"]


async def test_a_commit_of_a_tab_during_an_outage_is_rejected_and_may_be_sent_again(own: Cluster, one: Node) -> None:
    """``rejected`` with a retryable problem; the same id afterwards is one commit."""
    opened = await log_in(own, one)
    commit = {"type": "commit", "id": "sent-before-and-after", "patch": {"cart": {"n": 1}}}
    async with await (await open_tab(one, opened.token)).until_live() as tab:
        async with killed(own):
            await tab.send(commit)
            answer = await tab.answer("sent-before-and-after")
            assert (answer["type"], answer["problem"]["status"]) == ("rejected", 503)
            assert answer["problem"]["retryable"] is True
        await tab.until(lambda tab: _modes(tab)[-1:] == ["live"], SECONDS)
        seen = len(tab.frames)
        await tab.send(commit)
        await tab.until(lambda tab: any(frame["type"] == "committed" for frame in tab.frames[seen:]), SECONDS)
        await tab.until(lambda tab: tab.document.get("cart") == {"n": 1}, SECONDS)
