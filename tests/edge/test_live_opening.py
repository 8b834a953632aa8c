"""Opening a live connection: the answer is ``live``, the missing changes and ``live``, or a snapshot and ``live``."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.support.answers import good
from tests.support.nodes import READER_KEY, SERVICE_KEY, Node
from tests.support.tabs import Opened, Tab, as_service, as_user, merge, open_tab, resume_tab

pytestmark = pytest.mark.edge


async def live(node: Node, opened: Opened, query: str = "", **headers: str) -> Tab:
    """A tab that has caught up."""
    return await (await open_tab(node, opened.token, query=query, **headers)).until_live()


async def view_of(node: Node, opened: Opened, query: str = "") -> str:
    """The name of a tab's view."""
    async with await live(node, opened, query) as tab:
        return tab.view


async def test_a_new_tab_gets_a_snapshot_and_is_live(node: Node, opened: Opened, user: httpx.AsyncClient) -> None:
    """Position, view, session and the visible document; nothing more."""
    async with await live(node, opened) as tab:
        assert tab.socket.subprotocol == "hub.v1"
        snapshot, live_ = tab.frames
        assert snapshot.keys() == {"type", "position", "view", "reason", "session", "document"}
        assert (snapshot["type"], snapshot["reason"], snapshot["position"]) == ("snapshot", "new", opened.position)
        assert snapshot["session"].keys() == {"sid", "user", "expires_at"}
        assert snapshot["document"] == good(await user.get("/v1/sessions/me/document"))
        assert live_ == {"type": "live", "position": opened.position, "view": snapshot["view"]}
        assert len(tab.view) == 8


async def test_a_resume_brings_only_what_was_missed(node: Node, opened: Opened, user: httpx.AsyncClient) -> None:
    """No snapshot: the changes in order, then ``live``; with nothing missed, ``live`` alone."""
    async with await live(node, opened) as copy:
        pass
    async with await (await resume_tab(node, opened.token, copy)).until_live() as tab:
        assert tab.types == ["live"]
    done = [good(await merge(user, "me", {"cart": {"n": n}})) for n in range(3)]
    async with await (await resume_tab(node, opened.token, copy)).until_live() as tab:
        assert tab.types == ["change", "change", "change", "live"]
        assert [frame["position"] for frame in tab.frames[:3]] == [each["position"] for each in done]
        assert tab.frames[0]["base"] == opened.position
        assert tab.frames[0].keys() == {"type", "base", "position", "ops", "actor", "at"}
        assert tab.document == good(await user.get("/v1/sessions/me/document"))


@pytest.mark.parametrize(
    ("position", "reason"),
    [("1.00000000", "fork"), ("2.00000000", "fork"), ("9.00000000", "ahead"), ("9007199254740991.00000000", "ahead")],
)
async def test_a_copy_of_another_history_is_replaced(
    node: Node, opened: Opened, user: httpx.AsyncClient, position: str, reason: str
) -> None:
    """A fork or a copy that is ahead gets a snapshot that says so."""
    view = await view_of(node, opened)
    good(await merge(user, "me", {"cart": {"n": 1}}))
    async with await live(node, opened, f"?position={position}&view={view}") as tab:
        assert tab.types == ["snapshot", "live"]
        assert tab.frames[0]["reason"] == reason


async def test_a_copy_made_under_another_view_is_replaced(node: Node, opened: Opened) -> None:
    """Position without view, an unknown view, or that of a wider tab."""
    view = await view_of(node, opened)
    assert view != await view_of(node, opened, "?app=a")
    for query, reason in (
        (f"?position={opened.position}", "new"),
        (f"?view={view}", "new"),
        (f"?position={opened.position}&view=00000000", "view"),
        (f"?position={opened.position}&view={view}&app=a", "view"),
    ):
        async with await live(node, opened, query) as tab:
            assert (tab.types, tab.frames[0]["reason"]) == (["snapshot", "live"], reason)


async def test_too_many_missed_changes_are_a_snapshot(node: Node, opened: Opened) -> None:
    """257 changes are more than a resume carries; 240 are not."""
    view = await view_of(node, opened)
    async with as_service(node) as client:
        for n in range(257):
            good(await merge(client, opened.sid, {"profile": {"n": n}}))
    async with await live(node, opened, f"?position={opened.position}&view={view}") as tab:
        assert (tab.types, tab.frames[0]["reason"]) == (["snapshot", "live"], "compacted")
        copy = tab
    async with as_service(node) as client:
        for n in range(240):
            good(await merge(client, opened.sid, {"profile": {"m": n}}))
    async with await (await resume_tab(node, opened.token, copy)).until_live() as tab:
        assert tab.types == ["change"] * 240 + ["live"]


async def test_missed_changes_that_weigh_too_much_are_a_snapshot(node: Node, opened: Opened) -> None:
    """More than 256 KiB of ops: the document is cheaper."""
    view = await view_of(node, opened)
    async with as_service(node) as client:
        for n in range(3):
            good(await merge(client, opened.sid, {"profile": {"note": f"{n}" * 100_000}}))
    async with await live(node, opened, f"?position={opened.position}&view={view}") as tab:
        assert (tab.types, tab.frames[0]["reason"]) == (["snapshot", "live"], "compacted")


@pytest.mark.parametrize(
    "query",
    [
        "position=nonsense&view=00000000",
        "position=1&view=00000000",
        "position=0.00000000&view=1",
        "app=a&app=b",
        "position=1.00000000&position=1.00000000&view=x",
        "&".join(f"x{n}=1" for n in range(40)),
    ],
)
async def test_a_malformed_wish_is_closed_with_4502(node: Node, opened: Opened, query: str) -> None:
    """Accepted, then closed: a browser sees the code."""
    async with await open_tab(node, opened.token, query=f"?{query}") as tab:
        await tab.until_closed()
        assert (tab.code, tab.frames) == (4502, [])


async def test_a_tab_of_an_app_sees_what_browser_and_app_may(
    node: Node, opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """``app=a`` narrows: no frame holds another section; such changes come empty, without actor and commit."""
    async with await live(node, opened, "?app=a") as tab, await live(node, opened) as whole:
        assert tab.document.keys() == {"profile"}
        good(await merge(service, opened.sid, {"preferences": {"theme": "dark"}, "secret": {"canary": "hidden-7"}}))
        good(await merge(user, "me", {"preferences": {"size": 2}, "profile": {"name": "Ada"}}))
        good(await merge(user, "me", {"cart": {"n": 1}}))
        await tab.until(lambda tab: tab.position.startswith("4."))
        await whole.until(lambda tab: tab.position.startswith("4."))
        first, second, third = tab.frames[2:]
        assert first.keys() == {"type", "base", "position", "ops", "at"}
        assert first["ops"] == []
        assert second["ops"] == [{"op": "add", "path": "/profile/name", "value": "Ada"}]
        assert third["ops"] == [{"op": "add", "path": "/cart", "value": {"n": 1}}]
        assert tab.document == {"profile": {"name": "Ada"}, "cart": {"n": 1}}
        for word in ("preferences", "hidden-7", "secret", "billing", "ada@example.com"):
            assert word not in str(tab.frames)
        assert "hidden-7" not in str(whole.frames)
        assert whole.document["preferences"] == {"theme": "dark", "size": 2}


async def test_a_tab_of_an_unknown_app_is_forbidden(node: Node, opened: Opened) -> None:
    """4503."""
    async with await open_tab(node, opened.token, query="?app=nonsense") as tab:
        await tab.until_closed()
        assert tab.code == 4503


async def test_presence_shows_who_is_connected(node: Node, opened: Opened) -> None:
    """Those who asked are told of each arrival and departure, once each."""
    async with await live(node, opened, "?presence=1") as watcher, await live(node, opened) as quiet:
        async with await live(node, opened, "?app=a"):
            await watcher.until(lambda tab: "presence" in tab.types and len(tab.frames[-1].get("connections", [])) == 3)
            connections = watcher.frames[-1]["connections"]
            assert [each["app"] for each in connections] == [None, None, "a"]
            assert all(each.keys() == {"id", "app", "since"} for each in connections)
        await watcher.until(lambda tab: len(tab.frames[-1].get("connections", [])) == 2)
        assert "presence" not in quiet.types


async def test_a_service_follows_any_session_with_its_own_view(
    node: Node, opened: Opened, service: httpx.AsyncClient
) -> None:
    """By sid, with its key; it is not counted among the tabs."""
    async with await (await open_tab(node, READER_KEY, opened.sid)).until_live() as tab:
        assert tab.document == {"profile": {}}
        good(await merge(service, opened.sid, {"secret": {"x": 1}, "profile": {"name": "Ada"}}))
        await tab.until(lambda tab: tab.document == {"profile": {"name": "Ada"}})
        assert good(await service.get(f"/v1/sessions/{opened.sid}"))["connections"] == 0
        good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
        await tab.until_closed()
        assert (tab.code, tab.types[-1]) == (4500, "ended")


async def test_all_tabs_hear_all_changes_in_one_order(node: Node, opened: Opened) -> None:
    """Concurrent commits through HTTP and tabs: every tab ends at the document of the store."""
    tabs = [await live(node, opened) for _ in range(3)]
    async with as_user(node, opened) as client:
        work = [merge(client, "me", {"profile": {f"h{n}": n}}) for n in range(20)]
        work += [
            tab.send({"type": "commit", "id": f"tab{t}-number-{n:04}", "patch": {"profile": {f"t{t}{n}": n}}})  # type: ignore[misc]
            for t, tab in enumerate(tabs)
            for n in range(10)
        ]
        await asyncio.gather(*work)
        for tab in tabs:
            await tab.until(lambda tab: tab.position.startswith("51."))
        document = good(await client.get("/v1/sessions/me/document"))
    for tab in tabs:
        assert tab.document == document
        assert tab.types.count("snapshot") == 1
        await tab.__aexit__(None, None, None)


async def test_a_service_hears_at_once_who_is_connected(node: Node, opened: Opened) -> None:
    """Its own connection is told to nobody, so no arrival will tell it."""
    async with await open_tab(node, opened.token, query="?app=a") as tab:
        await tab.until_live()
        async with await open_tab(node, SERVICE_KEY, opened.sid, "?presence=1") as service:
            await service.until(lambda tab: "presence" in tab.types, 2)
            (told,) = [frame for frame in service.frames if frame["type"] == "presence"]
            assert [each["app"] for each in told["connections"]] == ["a"]
