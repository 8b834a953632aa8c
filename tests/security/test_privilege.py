"""Threats from callers who are known: what one may do and see ends where the grants end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.support.answers import good, problem
from tests.support.granted import HIDDEN, KEY, NAMED, RIGHTS, SEED, Stage, hides, stage, two_apps, without_at
from tests.support.nodes import Cluster, Node
from tests.support.security_log import SecurityLog
from tests.support.tabs import Tab, merge, open_tab

pytestmark = pytest.mark.edge


@pytest.fixture(scope="module")
def gateway(hub_cluster: Cluster) -> Iterator[Node]:
    with two_apps(hub_cluster) as made:
        yield made


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


@asynccontextmanager
async def on_tabs(on: Stage, names: tuple[str, ...]) -> AsyncIterator[dict[str, Tab]]:
    """A live connection of each."""
    async with AsyncExitStack() as stack:
        tabs = {}
        for who in names:
            tabs[who] = await stack.enter_async_context(await open_tab(on.node, on.tokens[who], on.opened.sid))
            await tabs[who].until_live()
        yield tabs
