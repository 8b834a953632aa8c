"""Threats from callers who are known: what one may do and see ends where the grants end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.contexts import as_app, context_token
from tests.support.echo import EchoApp
from tests.support.nodes import READER_KEY, SERVICE_KEY, Cluster, Node
from tests.support.security_log import SecurityLog
from tests.support.tabs import JSON_PATCH, Opened, Tab, as_user, bearer, log_in, merge, open_tab, open_with

pytestmark = pytest.mark.edge

DOCUMENT = "document"
HIDDEN = "canary-that-is-hidden"
KEY = "canary-of-a-key"
SEED = {
    "profile": {"name": "Ada", "list": [1, 2]},
    "cart": {"list": [{"a": 1}, 2]},
    "shown": {"x": 1},
    "preferences": {"theme": "dark"},
    "secret": {KEY: HIDDEN, "list": [1, {"inner": HIDDEN}]},
}
RIGHTS: dict[str, dict[str, str]] = {
    "user": {"profile": "write", "cart": "write", "preferences": "write", "shown": "read", "identity": "read"},
    "app": {"profile": "write", "cart": "read"},
    "service": {"profile": "read"},
    "writer": {"profile": "write", "cart": "write", "secret": "write", "shown": "write", "preferences": "write"},
}


@pytest.fixture(scope="module")
def gateway(hub_cluster: Cluster) -> Iterator[Node]:
    """A node in front of two apps; only ``b`` may see ``secret``."""
    with EchoApp() as a, EchoApp() as b:
        more: dict[str, Any] = {"HUB_APPS__A__UPSTREAM": a.url, "HUB_APPS__B__UPSTREAM": b.url}
        yield hub_cluster.node(**more, HUB_APPS__B__SECTIONS__SECRET="write")


@dataclass
class Stage:
    """One session whose document is ``SEED``, and everybody who may call about it, by kind."""

    node: Node
    opened: Opened
    tokens: dict[str, str]
    callers: dict[str, httpx.AsyncClient]

    @property
    def path(self) -> str:
        return f"/v1/sessions/{self.opened.sid}"

    async def document(self) -> Any:
        """The whole of it, but for ``identity``."""
        return good(await self.callers["writer"].get(f"{self.path}/document"))

    async def patch(self, who: str, ops: Any) -> httpx.Response:
        """A JSON Patch."""
        headers = {"Content-Type": JSON_PATCH}
        return await self.callers[who].patch(f"{self.path}/document", content=json.dumps(ops), headers=headers)


@asynccontextmanager
async def stage(cluster: Cluster, node: Node, seed: Any = SEED) -> AsyncIterator[Stage]:
    """Set it up."""
    opened = await log_in(cluster, node)
    app_token = await context_token(node, opened, "a")
    tokens = {"user": opened.token, "app": app_token, "service": READER_KEY, "writer": SERVICE_KEY}
    async with AsyncExitStack() as stack:
        made = {who: await stack.enter_async_context(as_app(node, token)) for who, token in tokens.items()}
        good(await merge(made["writer"], opened.sid, seed))
        yield Stage(node, opened, tokens, made)


def writes(section: str) -> Iterator[list[dict[str, Any]]]:
    """Patches that would change a section, in every operation and spelling."""
    for path in (f"/{section}", f"/{section}/new", f"/{section}/list/0", f"/{section}/list/-"):
        yield [{"op": "add", "path": path, "value": 9}]
    for path in (f"/{section}", f"/{section}/list/1"):
        yield [{"op": "replace", "path": path, "value": 9}]
        yield [{"op": "remove", "path": path}]
    yield [{"op": "move", "from": f"/{section}/list/0", "path": f"/{section}/list/1"}]
    yield [{"op": "copy", "from": f"/{section}/list", "path": f"/{section}/copied"}]
    yield [{"op": "add", "path": "/profile/x", "value": 1}, {"op": "remove", "path": f"/{section}"}]


def reads(section: str, into: str) -> Iterator[list[dict[str, Any]]]:
    """Patches that would tell something of a section without changing it."""
    yield [{"op": "test", "path": f"/{section}", "value": SEED.get(section)}]
    yield [{"op": "test", "path": f"/{section}", "value": "nonsense"}]
    yield [{"op": "test", "path": f"/{section}/list/0", "value": 1}]
    yield [{"op": "test", "path": f"/{section}/{KEY}", "value": HIDDEN}]
    yield [{"op": "copy", "from": f"/{section}", "path": f"/{into}/stolen"}]
    yield [{"op": "copy", "from": f"/{section}/list/1", "path": f"/{into}/list/0"}]
    yield [{"op": "copy", "from": f"/{section}/nothing", "path": f"/{into}/stolen"}]


def refusals(rights: dict[str, str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Every patch that goes too far for these rights, with the section that is to be named."""
    into = next((name for name, right in rights.items() if right == "write"), "profile")
    for section in (*SEED, "identity"):
        right = rights.get(section)
        if right != "write":
            yield from ((section, ops) for ops in writes(section))
            yield section, [{"op": "move", "from": f"/{section}/list", "path": f"/{into}/stolen"}]
            yield section, [{"op": "move", "from": f"/{into}/name", "path": f"/{section}/name"}]
        if right is None:
            yield from ((section, ops) for ops in reads(section, into))


@pytest.mark.parametrize("who", ["user", "app", "service"])
async def test_42_no_patch_goes_beyond_the_grants(hub_cluster: Cluster, gateway: Node, who: str) -> None:
    """Every operation × every section that is not granted, sources and tests and array places too: 403 that names the
    section, one security event, and nothing is changed. Whether something is there makes no difference."""
    async with stage(hub_cluster, gateway) as on, stage(hub_cluster, gateway, {"profile": SEED["profile"]}) as bare:
        before, log, tried = await on.document(), SecurityLog(hub_cluster, gateway), 0
        for section, ops in refusals(RIGHTS[who]):
            said = problem(await on.patch(who, ops), 403, "forbidden")
            assert section in said["sections"], (ops, said)
            assert log.names() == ["authz_fail"]
            same = problem(await bare.patch(who, ops), 403, "forbidden")
            assert {**said, "request_id": ""} == {**same, "request_id": ""}, ops
            log.text()
            tried += 1
        assert tried > 40
        assert await on.document() == before


@pytest.mark.parametrize("who", ["user", "app", "service"])
async def test_42_no_merge_patch_put_or_delete_goes_beyond_the_grants(
    hub_cluster: Cluster, gateway: Node, who: str
) -> None:
    """403 for whatever a merge patch names, ``null`` too, and for ``PUT`` and ``DELETE`` of such a section."""
    async with stage(hub_cluster, gateway) as on:
        before, client = await on.document(), on.callers[who]
        for section in sorted({*SEED, "identity"} - {name for name, right in RIGHTS[who].items() if right == "write"}):
            for value in (None, {}, {"list": None}, 1, SEED.get(section)):
                answer = await merge(client, on.opened.sid, {section: value})
                assert problem(answer, 403, "forbidden")["sections"] == [section]
            mixed = await merge(client, on.opened.sid, {"profile": {"name": "Eve"}, section: {"x": 1}})
            assert section in problem(mixed, 403, "forbidden")["sections"]
            where = f"{on.path}/document/{section}"
            problem(await client.put(where, json={}, headers={"If-Match": "*"}), 403, "forbidden")
            problem(await client.delete(where), 403, "forbidden")
        assert await on.document() == before


async def test_42_escapes_in_paths_lead_nowhere_else(hub_cluster: Cluster, gateway: Node) -> None:
    """``~1`` and ``~0`` are parts of a name: no spelling reaches another section, and dots climb nowhere."""
    spellings = (
        "/secret~1list",
        "/secret~0",
        "/~1secret",
        "/profile~1..~1secret",
        "/%73ecret",
        "/Secret",
        "/secret ",
        "/",
    )
    async with stage(hub_cluster, gateway) as on:
        before = await on.document()
        for who in ("user", "app"):
            for path in spellings:
                for op in ("add", "test", "remove"):
                    answer = await on.patch(who, [{"op": op, "path": path, "value": 1}])
                    problem(answer, 422, "unknown_section")
            for path in ("/profile/../secret", "/profile/~1secret/x", "/profile/list/../../secret"):
                problem(
                    await on.patch(who, [{"op": "copy", "from": path, "path": "/profile/x"}]), 409, "patch_conflict"
                )
        assert await on.document() == before
        good(await on.patch("app", [{"op": "add", "path": "/profile/a~1b", "value": 1}]))
        assert (await on.document())["profile"]["a/b"] == 1


@pytest.mark.parametrize("who", ["user", "app"])
async def test_42_the_whole_document_is_what_one_sees_of_it(hub_cluster: Cluster, gateway: Node, who: str) -> None:
    """Root operations work on the visible part: they test it, replace what may be written, and touch nothing else."""
    async with stage(hub_cluster, gateway) as on:
        whole, client = await on.document(), on.callers[who]
        seen = good(await client.get(f"{on.path}/document"))
        assert seen.keys() <= RIGHTS[who].keys()
        good(await on.patch(who, [{"op": "test", "path": "", "value": seen}]))
        problem(await on.patch(who, [{"op": "test", "path": "", "value": {**seen, **whole}}]), 409, "patch_conflict")
        too_much: list[dict[str, Any]] = [{}, {**seen, "secret": 1}, {"profile": {}}]
        for replaced in too_much:
            problem(await on.patch(who, [{"op": "replace", "path": "", "value": replaced}]), 403, "forbidden")
        assert await on.document() == whole
        good(await on.patch(who, [{"op": "replace", "path": "", "value": {**seen, "profile": {"name": "Eve"}}}]))
        assert await on.document() == {**whole, "profile": {"name": "Eve"}}


async def test_42_what_is_granted_is_done(hub_cluster: Cluster, gateway: Node) -> None:
    """The control: the same operations on a granted section succeed."""
    async with stage(hub_cluster, gateway) as on:
        for who in ("user", "app", "writer"):
            for ops in (*writes("profile"), [{"op": "copy", "from": "/cart/list/1", "path": "/profile/copied"}]):
                good(await merge(on.callers["writer"], on.opened.sid, {"profile": SEED["profile"]}))
                good(await on.patch(who, ops))


def hides(text: str) -> bool:
    """Whether a text says nothing of what is hidden."""
    return not any(each in text for each in (HIDDEN, KEY, '"secret"', "/secret"))


async def test_42_nothing_is_shown_of_what_is_not_granted(hub_cluster: Cluster, gateway: Node) -> None:
    """Document, changes, a failed ``If-Match`` and pushes hold no value, key or name of an ungranted section, and of a
    change there neither who made it nor its id nor its ops."""
    async with stage(hub_cluster, gateway) as on:
        start = on.opened.position
        async with on_tabs(on, ("user", "app", "service")) as tabs:
            done = good(await merge(on.callers["writer"], on.opened.sid, {"secret": {KEY: [HIDDEN]}}, **NAMED))
            for who, tab in tabs.items():
                await tab.until(lambda tab: tab.position == done["position"])
                assert tab.frames[-1] == without_at(tab.frames[-1], done), who
                assert hides(json.dumps(tab.frames)), who
                client = on.callers[who]
                problem(await client.get(f"{on.path}/document?sections=secret"), 403, "forbidden")
                changes = await client.get(f"{on.path}/changes", params={"since": start})
                (*_, last) = good(changes)["changes"]
                assert last.keys() == {"base", "position", "ops", "at"}, who
                assert last["ops"] == []
                moved_on = await merge(client, on.opened.sid, {"profile": {"n": 1}}, **{"If-Match": f'"{start}"'})
                for answer in (await client.get(f"{on.path}/document"), changes, moved_on):
                    assert hides(answer.text), (who, answer.text)
        assert not hides((await on.callers["writer"].get(f"{on.path}/document")).text)


NAMED = {"Idempotency-Key": "canary-of-a-commit"}


def without_at(frame: dict[str, Any], done: dict[str, Any]) -> dict[str, Any]:
    """All that a change in a hidden section may look like."""
    return {"type": "change", "base": done["base"], "position": done["position"], "ops": [], "at": frame["at"]}


@asynccontextmanager
async def on_tabs(on: Stage, names: tuple[str, ...]) -> AsyncIterator[dict[str, Tab]]:
    """A live connection of each."""
    async with AsyncExitStack() as stack:
        tabs = {}
        for who in names:
            tabs[who] = await stack.enter_async_context(await open_tab(on.node, on.tokens[who], on.opened.sid))
            await tabs[who].until_live()
        yield tabs


async def test_43_an_app_hears_nothing_of_what_only_another_app_may_see(hub_cluster: Cluster, gateway: Node) -> None:
    """App b commits to a section only it may read. Over its WebSocket, its event stream, the gateway's context token
    and as a tab of the app, a sees an empty change: no value, key, actor or id. b sees all of it."""
    opened = await log_in(hub_cluster, gateway)
    a, b = [await context_token(gateway, opened, name) for name in ("a", "b")]
    async with AsyncExitStack() as stack:
        of_a = [
            await stack.enter_async_context(await open_tab(gateway, a, opened.sid)),
            await stack.enter_async_context(await open_tab(gateway, opened.token, query="?app=a")),
            await stack.enter_async_context(await open_with(gateway, {**bearer(a)}, "me")),
        ]
        of_b = await stack.enter_async_context(await open_tab(gateway, b, opened.sid))
        for tab in (*of_a, of_b):
            await tab.until_live()
        client_a, client_b = [await stack.enter_async_context(as_app(gateway, token)) for token in (a, b)]
        stream = await stack.enter_async_context(client_a.stream("GET", "/v1/sessions/me/events"))
        done = good(await merge(client_b, "me", {"secret": {KEY: HIDDEN}}, **NAMED))
        last = good(await merge(client_a, "me", {"profile": {"name": "the last one"}}))
        for tab in (*of_a, of_b):
            await tab.until(lambda tab: tab.position == last["position"])
        for tab in of_a:
            (empty,) = [frame for frame in tab.frames if frame.get("position") == done["position"]]
            assert empty == without_at(empty, done)
            assert tells_nothing(json.dumps(tab.frames))
        assert tells_nothing(await events_until(stream, "the last one"))
        read = [
            await client_a.get(f"/v1/sessions/me/{what}") for what in (DOCUMENT, f"changes?since={opened.position}")
        ]
        assert all(tells_nothing(answer.text) for answer in read)
        (full,) = [frame for frame in of_b.frames if frame.get("position") == done["position"]]
        assert (full["actor"], full["commit"]) == ("app:b", NAMED["Idempotency-Key"])
        assert full["ops"] == [{"op": "add", "path": "/secret", "value": {KEY: HIDDEN}}]


def tells_nothing(text: str) -> bool:
    """Whether a text hides what b did, and that it was b."""
    return hides(text) and "app:b" not in text and NAMED["Idempotency-Key"] not in text


async def events_until(stream: httpx.Response, word: str) -> str:
    """What an event stream says, up to a word."""
    said = ""
    async for piece in stream.aiter_text():
        said += piece
        if word in said:
            return said
    raise AssertionError(f"the stream ended without {word}")


async def test_43_an_apps_context_token_holds_its_own_sections_only(hub_cluster: Cluster, gateway: Node) -> None:
    """What a is handed for a request names and shows what a may see: nothing of b's section."""
    from jose import jwt

    async with stage(hub_cluster, gateway) as on:
        tokens = {app: await context_token(gateway, on.opened, app) for app in ("a", "b")}
        claims = {app: jwt.get_unverified_claims(token) for app, token in tokens.items()}
        assert hides(json.dumps(claims["a"]))
        assert (claims["a"]["grants"], claims["a"]["document"].keys()) == (RIGHTS["app"], {"profile", "cart"})
        assert claims["b"]["document"]["secret"] == SEED["secret"]


async def test_68_an_idempotency_key_is_its_actors_own(hub_cluster: Cluster, gateway: Node) -> None:
    """The same key of user, app and services are different commits; each is answered its own again, none sees or blocks
    another's, and in another session of the same user it is new."""
    key, other_session = {"Idempotency-Key": "the-same-key"}, await log_in(hub_cluster, gateway)
    async with stage(hub_cluster, gateway) as on, as_user(gateway, other_session) as elsewhere:

        async def commit(who: str, **section: str) -> httpx.Response:
            return await merge(on.callers[who], on.opened.sid, {"profile": section or {who: f"of {who}"}}, **key)

        first = {who: await commit(who) for who in ("user", "app", "writer")}
        first["elsewhere"] = await merge(elsewhere, "me", {"profile": {"elsewhere": "x"}}, **key)
        for who, answer in first.items():
            assert "Idempotency-Replayed" not in answer.headers, who
            assert [op["path"] for op in good(answer)["ops"]] == [f"/profile/{who}"], who
        for who in ("user", "app", "writer"):
            again = await commit(who)
            assert again.headers["Idempotency-Replayed"] == "true", who
            assert good(again) == good(first[who]), who
            other_body = await commit(who, other="1")
            assert "of " not in json.dumps(problem(other_body, 422, "idempotency_mismatch"))
        assert {"user", "app", "writer"} < (await on.document())["profile"].keys()
