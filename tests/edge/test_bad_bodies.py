"""Bodies that are no commit: each gets its problem, none of them a 5xx."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.tabs import JSON_PATCH, MERGE, Opened

pytestmark = pytest.mark.edge

DOCUMENT = "/v1/sessions/me/document"
NOT_JSON = [
    b"",
    b"{",
    b"nonsense",
    b'{"a": 1,}',
    b"{'a': 1}",
    b'\xef\xbb\xbf{"cart": 1}',
    '{"cart": 1}'.encode("utf-16"),
    b'{"cart": "\xff"}',
    b'{"cart": "\\ud800"}',
    b'{"cart": NaN}',
    b'{"cart": Infinity}',
    b'{"cart": 1, "cart": 2}',
    b'{"cart": {"a": 1, "a": 2}}',
    b'{"cart": 9007199254740992}',
    b'{"cart": -9007199254740992}',
    b'{"cart": 123456789012345678901234567890}',
    b'{"cart": ' + b"[" * 64 + b"]" * 64 + b"}",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"\x00",
]


@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
async def test_what_is_no_i_json_is_400(opened: Opened, user: httpx.AsyncClient, body: bytes) -> None:
    """For both kinds of patch and for a section; the session stays where it is."""
    for kind in (MERGE, JSON_PATCH):
        problem(await user.patch(DOCUMENT, content=body, headers={"Content-Type": kind}), 400, "malformed")
    headers = {"Content-Type": "application/json", "If-Match": "*"}
    if not body.startswith(b'{"cart": ['):
        problem(await user.put(f"{DOCUMENT}/cart", content=body, headers=headers), 400, "malformed")
    assert good(await user.get("/v1/sessions/me"))["position"] == opened.position


@pytest.mark.parametrize("body", ["[]", "null", "7", '"text"', "true"])
async def test_a_merge_patch_is_an_object(user: httpx.AsyncClient, body: str) -> None:
    """A document cannot be replaced by something else."""
    problem(await user.patch(DOCUMENT, content=body, headers={"Content-Type": MERGE}), 400, "malformed")


@pytest.mark.parametrize(
    "ops",
    [
        {},
        None,
        7,
        "add",
        [7],
        [None],
        [[]],
        [{}],
        [{"op": "add"}],
        [{"op": "add", "path": "/cart"}],
        [{"op": "add", "path": "cart", "value": 1}],
        [{"op": "add", "path": 7, "value": 1}],
        [{"op": "add", "path": None, "value": 1}],
        [{"op": "add", "path": "/cart/~2", "value": 1}],
        [{"op": "add", "path": "/cart/~", "value": 1}],
        [{"op": "add", "path": "", "value": []}],
        [{"op": "remove", "path": ""}],
        [{"op": "erase", "path": "/cart"}],
        [{"op": ["add"], "path": "/cart", "value": 1}],
        [{"op": {"add": 1}, "path": "/cart", "value": 1}],
        [{"op": None, "path": "/cart", "value": 1}],
        [{"op": "copy", "path": "/cart"}],
        [{"op": "copy", "path": "/cart", "from": 7}],
        [{"op": "move", "path": "", "from": "/cart"}],
        [{"op": "move", "path": "/cart/a/b", "from": "/cart/a"}],
        [{"op": "test", "path": "/cart"}],
        [{"op": "add", "path": "/cart", "value": 1}] * 257,
    ],
    ids=str,
)
async def test_what_is_no_json_patch_is_400(user: httpx.AsyncClient, ops: object) -> None:
    """Shapes, members and pointers are checked before anything is done."""
    answer = await user.patch(DOCUMENT, content=json.dumps(ops), headers={"Content-Type": JSON_PATCH})
    problem(answer, 400, "malformed")


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/json", "application/x-www-form-urlencoded", "a;b"]
)
async def test_another_media_type_is_415_and_told_which_are_right(user: httpx.AsyncClient, kind: str | None) -> None:
    """``Accept-Patch`` names both; PUT takes JSON."""
    headers = {} if kind is None else {"Content-Type": kind}
    answer = await user.patch(DOCUMENT, content=b"{}", headers=headers)
    problem(answer, 415, "unsupported_media_type")
    assert answer.headers["Accept-Patch"] == f"{MERGE}, {JSON_PATCH}"
    if kind != "application/json":
        headers["If-Match"] = "*"
        problem(await user.put(f"{DOCUMENT}/cart", content=b"{}", headers=headers), 415, "unsupported_media_type")


async def test_a_media_type_may_have_parameters(user: httpx.AsyncClient) -> None:
    """``charset`` does no harm, nor does case."""
    headers = {"Content-Type": "Application/Merge-Patch+JSON; charset=utf-8"}
    good(await user.patch(DOCUMENT, content=b'{"cart": {}}', headers=headers))


async def test_a_body_without_end_is_cut_off_at_the_limit(user: httpx.AsyncClient) -> None:
    """A chunked body that goes on is refused with 413 and not collected."""

    async def endless() -> object:
        for _ in range(64):
            yield b" " * 65_536

    headers = {"Content-Type": MERGE}
    answer = await user.patch(DOCUMENT, content=endless(), headers=headers)  # type: ignore[arg-type]
    assert problem(answer, 413, "too_large")["limit_bytes"] == 1_048_576


async def test_patch_bombs_are_small_work(opened: Opened, user: httpx.AsyncClient) -> None:
    """Copies that double and double are stopped by size, quickly, and change nothing."""
    ops: list[dict[str, object]] = [{"op": "add", "path": "/profile", "value": {"a": ["x" * 1000]}}]
    ops += [{"op": "copy", "from": "/profile/a", "path": "/profile/a/-"}] * 200
    started = time.monotonic()
    answer = await user.patch(DOCUMENT, content=json.dumps(ops), headers={"Content-Type": JSON_PATCH})
    problem(answer, 413, "too_large")
    assert time.monotonic() - started < 2.0
    deep = [{"op": "add", "path": "/profile", "value": {"a": {}}}]
    deep += [{"op": "add", "path": "/profile" + "/a" * depth, "value": {"a": {}}} for depth in range(1, 80)]
    answer = await user.patch(DOCUMENT, content=json.dumps(deep), headers={"Content-Type": JSON_PATCH})
    assert answer.status_code in (400, 409)
    assert good(await user.get("/v1/sessions/me"))["position"] == opened.position


async def test_a_caller_that_goes_away_harms_nobody(opened: Opened, user: httpx.AsyncClient) -> None:
    """Half a body and a closed connection: the next request is served."""
    host = user.base_url
    reader, writer = await asyncio.open_connection(host.host, host.port)
    head = f"PATCH {DOCUMENT} HTTP/1.1\r\nHost: {host.host}:{host.port}\r\nAuthorization: Bearer {opened.token}\r\n"
    writer.write(f"{head}Content-Type: {MERGE}\r\nContent-Length: 100\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    del reader
    assert good(await user.get("/v1/sessions/me"))["position"] == opened.position
