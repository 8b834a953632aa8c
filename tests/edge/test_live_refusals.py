"""Who may not open a live connection, and how that is said: a browser sees close codes only."""

from __future__ import annotations

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.support import raw
from tests.support.answers import good, problem
from tests.support.nodes import SERVICE_KEY, Cluster, Node
from tests.support.tabs import Opened, log_in, open_tab, open_with
from tests.support.waiting import eventually

pytestmark = pytest.mark.edge


async def test_a_tombstone_says_ended_at_opening(node: Node, opened: Opened, service: httpx.AsyncClient) -> None:
    """Accepted, ``ended`` with reason, detail and time, 4500."""
    path = f"/v1/sessions/{opened.sid}"
    good(await service.request("DELETE", path, json={"detail": "card stolen"}), 204)
    ended_at = good(await service.get(path))["ended_at"]
    said = {"type": "ended", "reason": "revoked", "detail": "card stolen", "ended_at": ended_at}
    async with await open_tab(node, opened.token) as tab:
        await tab.until_closed()
        assert (tab.code, tab.frames) == (4500, [said])


async def test_an_end_says_its_detail_to_open_tabs(node: Node, opened: Opened, service: httpx.AsyncClient) -> None:
    """The same message as later at opening."""
    async with await (await open_tab(node, opened.token)).until_live() as tab:
        path = f"/v1/sessions/{opened.sid}"
        good(await service.request("DELETE", path, json={"detail": "card stolen"}), 204)
        await tab.until_closed()
        ended_at = good(await service.get(path))["ended_at"]
        said = {"type": "ended", "reason": "revoked", "detail": "card stolen", "ended_at": ended_at}
        assert tab.frames[-1] == said


@pytest.mark.parametrize(
    "token", ["nonsense", "hub_st_x", f"hub_st_{'0' * 16}-{'A' * 22}.{'A' * 43}", "hub_sk_billing_no", "a.b.c"]
)
async def test_an_unknown_credential_is_4501_without_ended(node: Node, token: str) -> None:
    """No message, only the code."""
    async with await open_tab(node, token) as tab:
        await tab.until_closed()
        assert (tab.code, tab.frames) == (4501, [])


async def test_no_credential_is_4501(node: Node) -> None:
    """The same."""
    async with await open_with(node, {}) as tab:
        await tab.until_closed()
        assert (tab.code, tab.frames) == (4501, [])


async def test_the_session_of_another_is_4503(hub_cluster: Cluster, node: Node, opened: Opened) -> None:
    """Also one that does not exist, and ``me`` for a service."""
    other = await log_in(hub_cluster, node, "grace")
    for token, sid in (
        (opened.token, other.sid),
        (opened.token, "nonsense"),
        (SERVICE_KEY, "me"),
        (SERVICE_KEY, f"{'0' * 16}-{'A' * 22}"),
    ):
        async with await open_tab(node, token, sid) as tab:
            await tab.until_closed()
            assert (tab.code, tab.frames) == (4503, [])


async def test_one_connection_too_many_closes_the_oldest(node: Node, opened: Opened) -> None:
    """The ninth of eight: the first gets 4504, the others stay, services are not counted."""
    async with await (await open_tab(node, SERVICE_KEY, opened.sid)).until_live() as follower:
        tabs = [await (await open_tab(node, opened.token)).until_live() for _ in range(8)]
        assert [tab.code for tab in tabs] == [None] * 8
        tabs.append(await (await open_tab(node, opened.token)).until_live())
        await tabs[0].until_closed()
        assert tabs[0].code == 4504
        assert "ended" not in tabs[0].types
        assert [tab.code for tab in tabs[1:]] == [None] * 8
        assert follower.code is None
        for tab in tabs:
            await tab.__aexit__(None, None, None)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.test",
        "{own}.evil.test",
        "https://page.test",
        "http://page.test:81",
        "{own}/",
        "file://",
    ],
)
async def test_a_cookie_from_a_foreign_page_is_403_before_accepting(
    node: Node, opened: Opened, origin: str | None
) -> None:
    """Nothing is accepted, nothing is read; a stranger without a cookie is told the same."""
    for cookie in (f"hub={opened.token}", "hub=nonsense"):
        headers = {"Cookie": cookie} | ({} if origin is None else {"Origin": origin.format(own=node.url)})
        with pytest.raises(InvalidStatus) as refused:
            await open_with(node, headers)
        response = refused.value.response
        assert response.status_code == 403
        assert response.headers["Content-Type"] == "application/problem+json"
        assert b'"code":"csrf"' in (response.body or b"")
        assert response.headers["X-Request-Id"]


@pytest.mark.parametrize("origin", ["{own}", "http://page.test"])
async def test_a_cookie_from_an_allowed_page_is_accepted(node: Node, opened: Opened, origin: str) -> None:
    """Own and listed origins."""
    headers = {"Cookie": f"hub={opened.token}", "Origin": origin.format(own=node.url)}
    async with await open_with(node, headers) as tab:
        await tab.until_live()


async def test_a_plain_get_is_426(node: Node, user: httpx.AsyncClient) -> None:
    """With ``Upgrade`` in the answer."""
    answer = await user.get("/v1/sessions/me/live")
    problem(answer, 426, "upgrade_required")
    assert answer.headers["Upgrade"].lower() == "websocket"


async def test_half_a_handshake_is_refused(node: Node, opened: Opened) -> None:
    """An upgrade without key, version or in another protocol: 4xx, no hang."""
    lines = [f"Authorization: Bearer {opened.token}", "Connection: Upgrade"]
    for more in (
        ["Upgrade: websocket"],
        ["Upgrade: websocket", "Sec-WebSocket-Key: short", "Sec-WebSocket-Version: 13"],
        ["Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 8"],
        ["Upgrade: h2c"],
        ["Upgrade: nonsense"],
    ):
        answer = await raw.send(node, raw.get(node, "/v1/sessions/me/live", *lines, *more))
        assert 400 <= answer.status < 500, (more, answer)


async def test_an_upgrade_elsewhere_is_refused(node: Node, opened: Opened) -> None:
    """Other routes, unknown routes and unknown hosts speak no WebSocket."""
    key = ["Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13"]
    lines = [f"Authorization: Bearer {opened.token}", "Connection: Upgrade", *key]
    for path in ("/v1/sessions/me", "/nothing", "/healthz"):
        assert 400 <= (await raw.send(node, raw.get(node, path, *lines))).status < 500
    answer = await raw.send(node, raw.get(node, "/v1/sessions/me/live", *lines, host="evil.test"))
    assert answer.status == 421


async def test_a_tab_that_goes_away_leaves_nothing(node: Node, opened: Opened, service: httpx.AsyncClient) -> None:
    """A connection cut without a close is counted out."""
    tab = await (await open_tab(node, opened.token)).until_live()
    tab.socket.transport.abort()

    async def is_counted_out() -> bool:
        return not good(await service.get(f"/v1/sessions/{opened.sid}"))["connections"]

    await eventually(is_counted_out)
    await tab.__aexit__(None, None, None)
