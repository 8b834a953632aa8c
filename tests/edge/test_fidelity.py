"""What is put in comes out: through store, feed, history and the JavaScript client's copy, value by value."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hub.core.json import equal
from tests import binaries
from tests.support.answers import good, problem
from tests.support.nodes import ROOT, Cluster, Node
from tests.support.tabs import JSON_PATCH, Opened, as_service, log_in, open_tab

pytestmark = pytest.mark.edge

DEEPEST = 62  # levels inside a section, itself one level down in the document, its member two


def nested(levels: int) -> Any:
    """Objects and lists in turn, so many of them."""
    value: Any = "bottom"
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


VALUES: dict[str, Any] = {
    "empty object": {},
    "empty list": [],
    "empty ones inside": {"a": [], "b": {}, "c": [[], {}]},
    "largest integers": [2**53 - 1, -(2**53) + 1, 0],
    "floats": [0.1, 1e-300, 1.7976931348623157e308, -2.5, 1e21],
    "null": {"nothing": None, "list": [None]},
    "true and one": [True, 1, False, 0],
    "any text": ["", " ", "\u0000\u001f", "é", "e\u0301", "日本語", "🏳️‍🌈", "\u2028\u2029", "</script>", "\ufeff"],
    "keys of objects": {"__proto__": {"x": 1}, "constructor": {"prototype": 2}, "toString": 3, "": 4},
    "keys to escape": {"a/b": 1, "~": 2, "~1": 3, "/": {"~0~1": 4}, "0": 5, "-": 6},
    "many keys": {f"k{number}": number for number in range(500)},
    "long text": "x" * 3000,
    "as deep as it goes": nested(DEEPEST),
}

FOLLOW = """
import { connectSession } from './client_js/index.js'
const session = connectSession({ url: process.argv[1], token: () => process.argv[2] })
await session.ready()
const before = JSON.stringify(session.get())
process.stdout.write(before + '\\n')
const doc = await session.until(doc => doc.profile && 'done' in doc.profile, { timeoutMs: 10000 })
process.stdout.write(JSON.stringify(doc) + '\\n')
session.close()
"""


async def put(node: Node, opened: Opened, name: str, value: Any) -> dict[str, Any]:
    """Add one value to the profile, as a JSON Patch."""
    path = "/profile/" + name.replace(" ", "_")
    async with as_service(node) as service:
        answer = await service.patch(
            f"/v1/sessions/{opened.sid}/document",
            content=json.dumps([{"op": "add", "path": path, "value": value}]),
            headers={"Content-Type": JSON_PATCH},
        )
    said: dict[str, Any] = good(answer)
    return said


@pytest.mark.parametrize("name", VALUES)
async def test_a_value_is_the_same_everywhere(hub_cluster: Cluster, node: Node, name: str) -> None:
    """In the answer, the document, the change a tab hears, and the history."""
    opened, value, key = await log_in(hub_cluster, node, f"exact {name}"), VALUES[name], name.replace(" ", "_")
    async with await open_tab(node, opened.token) as tab, as_service(node) as service:
        await tab.until_live()
        said = await put(node, opened, name, value)
        document = good(await service.get(f"/v1/sessions/{opened.sid}/document"))
        changes = good(await service.get(f"/v1/sessions/{opened.sid}/changes", params={"since": opened.position}))
        await tab.until(lambda tab: tab.position == said["position"])
        for seen in (document["profile"][key], tab.document["profile"][key]):
            assert equal(seen, value)
        for ops in (said["ops"], tab.frames[-1]["ops"], changes["changes"][0]["ops"]):
            assert equal(ops, [{"op": "add", "path": f"/profile/{key}", "value": value}])


async def test_the_javascript_copy_holds_them_all(hub_cluster: Cluster, node: Node) -> None:
    """From a snapshot and from changes, read back as JSON."""
    opened = await log_in(hub_cluster, node, "exact in javascript")
    names = list(VALUES)
    for name in names[: len(names) // 2]:
        await put(node, opened, name, VALUES[name])
    flags = ["--experimental-websocket"] if await lacks_websocket() else []
    script = await asyncio.create_subprocess_exec(
        binaries.node(), *flags, "--input-type=module", "-e", FOLLOW, node.url, opened.token,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT, limit=2**20,
    )  # fmt: skip
    assert script.stdout is not None
    snapshot = json.loads(await asyncio.wait_for(script.stdout.readline(), 20))
    for name in names[len(names) // 2 :]:
        await put(node, opened, name, VALUES[name])
    await put(node, opened, "done", True)
    rest, errors = await asyncio.wait_for(script.communicate(), 20)
    assert script.returncode == 0, errors.decode()
    expected = {name.replace(" ", "_"): value for name, value in VALUES.items()}
    half = {name.replace(" ", "_"): VALUES[name] for name in names[: len(names) // 2]}
    assert equal(snapshot["profile"], half)
    assert equal(json.loads(rest)["profile"], expected | {"done": True})


async def lacks_websocket() -> bool:
    """Whether this Node has WebSocket only behind a flag."""
    script = await asyncio.create_subprocess_exec(
        binaries.node(), "-p", "typeof WebSocket", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await script.communicate()
    return said.decode().strip() == "undefined"


@pytest.mark.parametrize(
    "raw",
    [
        b"9007199254740992",
        b"-9007199254740992",
        b"123456789012345678901234567890",
        b"1e400",
        b"NaN",
        b'"\\ud800"',
        b'{"a":1,"a":2}',
        json.dumps(nested(DEEPEST + 1)).encode(),
    ],
)
async def test_what_cannot_be_kept_exactly_is_refused(hub_cluster: Cluster, node: Node, raw: bytes) -> None:
    """400 ``malformed``, and nothing has changed."""
    opened = await log_in(hub_cluster, node, "inexact")
    async with as_service(node) as service:
        path = f"/v1/sessions/{opened.sid}/document"
        body = b'[{"op":"add","path":"/profile/x","value":' + raw + b"}]"
        headers = {"Content-Type": JSON_PATCH}
        problem(await service.patch(path, content=body, headers=headers), 400, "malformed")
        assert good(await service.get(path)).get("profile") == {}
        good(await service.delete(f"/v1/sessions/{opened.sid}"), 204)
