"""The access log: one line a request where it is switched on, none where it is not, and nothing that is nobody's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hub.core.session import user_tag
from tests.support.answers import good
from tests.support.echo import EchoApp
from tests.support.nodes import Cluster, Node, cluster
from tests.support.tabs import Opened, as_service, as_user, log_in, open_tab
from tests.support.waiting import eventually

pytestmark = pytest.mark.edge


@pytest.fixture(scope="module")
def logged() -> Iterator[tuple[Cluster, Node]]:
    with EchoApp() as app, cluster() as own:
        yield own, own.node(port=None, HUB_ACCESS_LOG="true", HUB_APPS__A__UPSTREAM=app.url)


def lines(own: Cluster, node: Node) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in own.log(node).splitlines() if line.startswith("{")]
    return [line for line in found if line.get("logger") == "hub.access"]


async def line_of(own: Cluster, node: Node, path: str) -> dict[str, Any]:
    """The newest line about ``path``."""

    async def is_there() -> bool:
        return any(line["path"] == path for line in lines(own, node))

    await eventually(is_there)
    return [line for line in lines(own, node) if line["path"] == path][-1]


async def test_a_request_leaves_one_line(logged: tuple[Cluster, Node]) -> None:
    """Method, path, status, time, bytes, request id, app and the user's tag; log level or not."""
    own, node = logged
    opened = await log_in(own, node)
    async with as_user(node, opened) as user, as_service(node) as service:
        answer = await user.get("/v1/sessions/me/document?sections=profile")
        good(await service.get("/v1/users/ada/sessions"))
    line = await line_of(own, node, "/v1/sessions/me/document")
    assert (line["method"], line["status"], line["event"]) == ("GET", 200, "request")
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert line["user"] == user_tag(opened.sid)
    assert line["sent_bytes"] == len(answer.content)
    assert 0 < line["ms"] < 5000
    assert (await line_of(own, node, "/v1/users/-/sessions"))["actor"] == "service:billing"


async def test_apps_and_connections_are_there_too(logged: tuple[Cluster, Node]) -> None:
    """A proxied request names its app; a live connection is one line, when it is over."""
    own, node = logged
    opened = await log_in(own, node)
    async with httpx.AsyncClient(base_url=node.url, cookies={"hub": opened.token}) as browser:
        assert (await browser.get("/apps/a/x?secret=1")).status_code == 200
    line = await line_of(own, node, "/apps/a/x")
    assert (line["app"], line["user"]) == ("a", user_tag(opened.sid))
    async with await open_tab(node, opened.token) as tab:
        await tab.until_live()
    line = await line_of(own, node, "/v1/sessions/me/live")
    assert (line["method"], line["status"]) == ("WEBSOCKET", 101)


async def test_nothing_secret_or_personal_is_written(logged: tuple[Cluster, Node]) -> None:
    """No query, no credential, no name of a user."""
    own, node = logged
    opened = await log_in(own, node, "canary-user")
    async with as_user(node, opened) as user:
        good(await user.get("/v1/users/canary-user/sessions?q=canary-query"))
    await line_of(own, node, "/v1/users/-/sessions")
    written = json.dumps(lines(own, node))
    for canary in ("canary-user", "canary-query", opened.token, opened.token.partition(".")[2], "secret=1"):
        assert canary not in written


async def test_it_is_off_by_default(hub_cluster: Cluster, node: Node, opened: Opened) -> None:
    """A line costs more than the work on hot paths."""
    async with as_user(node, opened) as user:
        good(await user.get("/v1/sessions/me"))
    assert lines(hub_cluster, node) == []
