"""One session with something in every section, seen by callers with different rights."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.answers import good
from tests.support.contexts import as_app, context_token
from tests.support.echo import EchoApp
from tests.support.nodes import READER_KEY, SERVICE_KEY, Cluster, Node
from tests.support.tabs import JSON_PATCH, Opened, log_in, merge

NAMED = {"Idempotency-Key": "canary-of-a-commit"}
HIDDEN = "canary-that-is-hidden"
KEY = "canary-of-a-key"
SEED: dict[str, Any] = {
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


@contextmanager
def two_apps(cluster: Cluster) -> Iterator[Node]:
    """A node in front of two apps; only ``b`` may see ``secret``."""
    with EchoApp() as a, EchoApp() as b:
        more: dict[str, Any] = {"HUB_APPS__A__UPSTREAM": a.url, "HUB_APPS__B__UPSTREAM": b.url}
        yield cluster.node(**more, HUB_APPS__B__SECTIONS__SECRET="write")


def hides(text: str) -> bool:
    """Whether a text says nothing of what is hidden."""
    return not any(each in text for each in (HIDDEN, KEY, '"secret"', "/secret"))


def without_at(frame: dict[str, Any], done: dict[str, Any]) -> dict[str, Any]:
    """All that a change in a hidden section may look like."""
    return {"type": "change", "base": done["base"], "position": done["position"], "ops": [], "at": frame["at"]}
