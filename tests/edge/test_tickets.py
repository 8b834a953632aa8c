"""Tickets: a one-time proof for a live connection, in a subprotocol and never in a URL."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.nodes import Node
from tests.support.tabs import Opened, Tab, open_with

pytestmark = pytest.mark.edge

TICKETS = "/v1/sessions/me/tickets"


async def with_ticket(node: Node, ticket: str, query: str = "", **headers: str) -> Tab:
    """A tab that shows a ticket and nothing else."""
    return await open_with(node, headers, "me", query, ("hub.v1", f"hub.ticket.{ticket}"))


async def refused(node: Node, ticket: str, query: str = "", **headers: str) -> int | None:
    """The code such a tab is closed with, without a frame."""
    async with await with_ticket(node, ticket, query, **headers) as tab:
        await tab.until_closed()
        assert tab.frames == []
        return tab.code


async def test_a_ticket_opens_one_connection(node: Node, opened: Opened, user: httpx.AsyncClient) -> None:
    """201 with ticket and seconds; the second use is 4501."""
    said = good(await user.post(TICKETS), 201)
    assert said.keys() == {"ticket", "expires_in"}
    assert (len(said["ticket"]), said["expires_in"]) == (43, 30)
    async with await with_ticket(node, said["ticket"]) as tab:
        await tab.until_live()
        assert tab.socket.subprotocol == "hub.v1"
        assert tab.frames[0]["session"]["sid"] == opened.sid
    assert await refused(node, said["ticket"]) == 4501


async def test_of_many_uses_at_once_one_succeeds(node: Node, user: httpx.AsyncClient) -> None:
    """Taken by one caller only."""
    ticket = good(await user.post(TICKETS), 201)["ticket"]
    tabs = await asyncio.gather(*(with_ticket(node, ticket) for _ in range(8)))
    for tab in tabs:
        await tab.until(lambda tab: tab.code is not None or "live" in tab.types)
    assert sorted(tab.code or 0 for tab in tabs) == [0] + [4501] * 7
    for tab in tabs:
        await tab.__aexit__(None, None, None)


async def test_a_ticket_is_bound_to_the_origin_it_was_made_for(node: Node, user: httpx.AsyncClient) -> None:
    """Another page, or none, cannot use it; trying uses it up."""
    for origin in ("http://evil.test", None):
        ticket = good(await user.post(TICKETS, headers={"Origin": "http://page.test"}), 201)["ticket"]
        assert await refused(node, ticket, **({"Origin": origin} if origin else {})) == 4501
        assert await refused(node, ticket, Origin="http://page.test") == 4501
    ticket = good(await user.post(TICKETS, headers={"Origin": "http://page.test"}), 201)["ticket"]
    async with await with_ticket(node, ticket, Origin="http://page.test") as tab:
        await tab.until_live()


async def test_a_ticket_is_bound_to_its_app(node: Node, user: httpx.AsyncClient) -> None:
    """A ticket for app ``a`` shows and writes what ``a`` may, whatever the query says."""
    ticket = good(await user.post(TICKETS, json={"app": "a"}), 201)["ticket"]
    async with await with_ticket(node, ticket) as tab:
        await tab.until_live()
        assert tab.document.keys() == {"profile"}
        await tab.send({"type": "commit", "id": "a-commit-outside-of-a", "patch": {"preferences": {"theme": "dark"}}})
        answer = await tab.answer("a-commit-outside-of-a")
        assert answer["problem"]["code"] == "forbidden"
        await tab.send({"type": "commit", "id": "a-commit-inside-of-a", "patch": {"profile": {"name": "Ada"}}})
        assert (await tab.answer("a-commit-inside-of-a"))["type"] == "committed"
    ticket = good(await user.post(TICKETS, json={"app": "a"}), 201)["ticket"]
    assert await refused(node, ticket, "?app=b") == 4503
    ticket = good(await user.post(TICKETS, json={"app": "a"}), 201)["ticket"]
    async with await with_ticket(node, ticket, "?app=a") as tab:
        await tab.until_live()
        assert tab.document.keys() == {"profile"}


@pytest.mark.parametrize("ticket", ["nonsense", "", "A" * 43, "A" * 4000])
async def test_an_unknown_ticket_is_4501(node: Node, ticket: str) -> None:
    """Also an empty or a long one."""
    assert await refused(node, ticket) == 4501


async def test_a_ticket_of_a_session_that_is_over_says_ended(node: Node, user: httpx.AsyncClient) -> None:
    """4500 with ``ended``."""
    ticket = good(await user.post(TICKETS), 201)["ticket"]
    good(await user.delete("/v1/sessions/me"), 204)
    async with await with_ticket(node, ticket) as tab:
        await tab.until_closed()
        assert (tab.code, tab.types) == (4500, ["ended"])


async def test_only_callers_with_a_session_get_tickets(service: httpx.AsyncClient, anybody: httpx.AsyncClient) -> None:
    """A service is 403, nobody 401."""
    problem(await service.post(TICKETS), 403, "forbidden")
    problem(await anybody.post(TICKETS), 401, "unauthenticated")


@pytest.mark.parametrize(
    "body", [[], 7, "a", {"app": 7}, {"app": "nonsense"}, {"app": ["a"]}, {"app": {"a": 1}}, {"app": ""}], ids=str
)
async def test_a_bad_wish_is_400(user: httpx.AsyncClient, body: Any) -> None:
    """An app that is none."""
    problem(await user.post(TICKETS, json=body), 400, "malformed")


async def test_a_wish_is_json(user: httpx.AsyncClient) -> None:
    """Broken JSON is 400, another media type 415; ``null`` and unknown members mean nothing."""
    headers = {"Content-Type": "application/json"}
    problem(await user.post(TICKETS, content=b"{", headers=headers), 400, "malformed")
    problem(
        await user.post(TICKETS, content=b"app=a", headers={"Content-Type": "text/plain"}),
        415,
        "unsupported_media_type",
    )
    good(await user.post(TICKETS, content=json.dumps({"app": None, "x": 1}), headers=headers), 201)
