"""The store can be read and not written, for any reason it has: it says so, and that is all that anybody notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.faults.busy import BACK_SECONDS
from tests.faults.lengths import IS_LONG
from tests.faults.unwritable import FAULTS, Break, Place, place, without_a_right
from tests.support.answers import good, problem
from tests.support.tabs import Opened, Tab, as_service, as_user, bearer, log_in, merge, open_tab
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240 if IS_LONG else 60)]

TIMES = 10 if IS_LONG else 1
QUIET_SECONDS = 6.0


faults = pytest.mark.parametrize("fault", FAULTS)


@pytest.fixture(scope="module")
def whole() -> Iterator[Place]:
    """With nodes as they are."""
    with place() as made:
        yield made


@pytest.fixture(scope="module")
def crippled() -> Iterator[Place]:
    """With nodes that do not understand what the store refuses."""
    with place("illiterate") as made:
        yield made


async def assert_read_only(made: Place, user: httpx.AsyncClient, opened: Opened, tab: Tab) -> None:
    """Reads and apps go on; whatever writes is answered 503, and tabs are told."""
    await eventually(lambda: _has_mode(user, "read_only"), BACK_SECONDS)
    await tab.until(lambda tab: modes(tab)[-1:] == ["read_only"])
    about = good(await user.get("/v1/sessions/me"))
    assert good(await user.get("/v1/sessions/me/document"))["cart"] == {"n": 1}
    own = {"Origin": made.nodes[0].url, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    for method in ("GET", "POST"):
        answer = await user.request(method, "/apps/a/some/page", headers=own)
        assert (answer.status_code, answer.json()["target"]) == (200, "/apps/a/some/page")
    assert good(await user.get("/v1/sessions/me"))["idle_expires_at"] == about["idle_expires_at"]
    token = made.cluster.provider.token("grace")
    for answer in (
        await merge(user, "me", {"cart": {"n": 2}}),
        await user.delete("/v1/sessions/me"),
        await user.post("/v1/sessions/me/tickets"),
        await user.post("/v1/sessions", headers=bearer(token)),
    ):
        problem(answer, 503, "read_only")
    async with httpx.AsyncClient(base_url=made.nodes[0].url) as nobody:
        page = await nobody.get("/auth/login")
        assert (page.status_code, "set-cookie" in page.headers) == (503, False)
    async with await open_tab(made.nodes[0], opened.token) as late:
        await late.until_live()
        assert late.document["cart"] == {"n": 1}
        await late.until(lambda tab: modes(tab)[-1:] == ["read_only"])


def modes(tab: Tab) -> list[str]:
    """What a tab was told."""
    return [frame["mode"] for frame in tab.frames if frame["type"] == "mode"]


async def _has_mode(client: httpx.AsyncClient, wanted: str) -> bool:
    return bool((await client.get("/readyz")).json()["mode"] == wanted)


@faults
async def test_what_cannot_be_written_is_said_and_nothing_else_changes(
    fault: str, whole: Place, row: Callable[[str], Any]
) -> None:
    """Under load, then back to ``live``: every property of the checker holds, and no tab heard ``ended``."""
    opened = await log_in(whole.cluster, whole.nodes[0], "linus")
    async with (
        whole.under_load() as made,
        as_user(whole.nodes[0], opened) as user,
        await open_tab(whole.nodes[0], opened.token) as tab,
    ):
        good(await merge(user, "me", {"cart": {"n": 1}}))
        async with made.busy(await made.living()):
            for _ in range(TIMES):
                with FAULTS[fault](whole.store):
                    await assert_read_only(whole, user, opened, tab)
                await made.until_ready()
                await tab.until(lambda tab: modes(tab)[-1:] == ["live"])
                await made.until_more(20)
        done = good(await merge(user, "me", {"preferences": {"size": 1}}))
        await tab.until(lambda tab: tab.position == done["position"])
        assert "ended" not in tab.types
        found = await made.load.settle(QUIET_SECONDS)
        line = row(fault)
        line.operations, line.injected, line.violations = made.load.operations, TIMES, len(found)
        assert not found, found[:5]
        assert made.load.retried


@faults
async def test_where_refusals_are_not_understood_the_checker_objects(
    fault: str, crippled: Place, row: Callable[[str], Any]
) -> None:
    """Negative control."""
    found = await be_clumsy(crippled, FAULTS[fault])
    row(fault).control = "caught by answers_are_clear" if found else "NOT CAUGHT"
    assert found


async def be_clumsy(made: Place, fault: Break) -> list[str]:
    """What callers were told in a way that nobody should be, under load, while the store refuses."""
    async with made.under_load() as busy:
        track = await busy.living()
        async with busy.busy(track):
            with fault(made.store):
                await eventually(lambda: _is_clumsy(track.recorded.failures), BACK_SECONDS)
            await busy.until_more(1)
        return [fact for fact in await busy.load.settle(1.0) if " answers_are_clear: " in fact]


async def test_a_right_that_is_taken_away_is_a_clear_refusal(whole: Place, row: Callable[[str], Any]) -> None:
    """503 for what needs it, and one log record that says why; the mode and everything else stay as they are."""
    async with whole.under_load() as made, as_service(whole.nodes[0]) as service:
        track = await made.living()
        async with made.busy(track):
            with without_a_right(whole.store):
                for _ in range(3):
                    problem(await merge(service, track.opened.sid, {"cart": {"n": 1}}), 503, "maintenance")
                assert await _has_mode(service, "live")
                good(await service.get(f"/v1/sessions/{track.opened.sid}/document"))
            await made.until_more(20)
        found = await made.load.settle(QUIET_SECONDS)
        line = row("right taken away")
        line.operations, line.injected, line.violations = made.load.operations, 1, len(found)
        assert not found, found[:5]
        said = [text for text in whole.cluster.log(whole.nodes[0]).splitlines() if "store_denies" in text]
        assert len(said) == 1
        assert "hub doctor" in said[0]


async def test_where_denials_are_not_understood_the_checker_objects(crippled: Place, row: Callable[[str], Any]) -> None:
    """Negative control."""
    found = await be_clumsy(crippled, without_a_right)
    row("right taken away").control = "caught by answers_are_clear" if found else "NOT CAUGHT"
    assert found


async def _is_clumsy(failures: list[str]) -> bool:
    return bool(failures)
