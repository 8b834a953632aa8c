"""``/changes``: what came after a position, or that history does not know it."""

from __future__ import annotations

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.tabs import Opened, merge

pytestmark = pytest.mark.edge


async def test_changes_lead_from_a_position_to_the_present(
    opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """Each base is the position before; actor, time and request are named."""
    done = [good(await merge(service, opened.sid, {"profile": {"n": n}})) for n in range(3)]
    answer = await user.get(f"/v1/sessions/me/changes?since={opened.position}")
    said = good(answer)
    assert (said["from"], said["to"]) == (opened.position, done[-1]["position"])
    assert [(each["base"], each["position"], each["ops"]) for each in said["changes"]] == [
        (each["base"], each["position"], each["ops"]) for each in done
    ]
    assert {each["actor"] for each in said["changes"]} == {"service:billing"}
    assert all(each["request_id"] and each["at"].endswith("Z") for each in said["changes"])
    assert good(await user.get(f"/v1/sessions/me/changes?since={said['to']}"))["changes"] == []
    page = good(await user.get(f"/v1/sessions/me/changes?since={opened.position}&limit=2"))
    assert (len(page["changes"]), page["to"]) == (2, done[1]["position"])


async def test_changes_show_no_more_than_the_caller_may_see(
    opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """A change outside the view is there without ops, actor and request."""
    done = good(await merge(service, opened.sid, {"secret": {"pin": 1234}}))
    answer = await user.get(f"/v1/sessions/me/changes?since={opened.position}")
    (change,) = good(answer)["changes"]
    assert change.keys() == {"base", "position", "ops", "at"}
    assert (change["position"], change["ops"]) == (done["position"], [])
    assert "1234" not in answer.text


@pytest.mark.parametrize("since", ["1.00000000", "7.00000000", "9007199254740991.ffffffff"])
async def test_a_position_of_another_history_is_410(user: httpx.AsyncClient, since: str) -> None:
    """A fork, or ahead of what there is."""
    problem(await user.get(f"/v1/sessions/me/changes?since={since}"), 410, "compacted")


@pytest.mark.parametrize(
    "query",
    ["", "since=", "since=1", "since=nonsense", "since=0.00000000", "since=%F0%9F%92%A9", "since=1.00000000%00"]
    + [f"since=1.00000000&limit={limit}" for limit in ("0", "257", "-1", "x", "99999999999999999999")],
)
async def test_bad_parameters_are_400(user: httpx.AsyncClient, query: str) -> None:
    """Never a guess, never a 500."""
    problem(await user.get(f"/v1/sessions/me/changes?{query}"), 400, "malformed")
