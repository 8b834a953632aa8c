"""A node with a bug: ``python -m tests.support.sabotaged serve …``. Requests with ``X-Sabotage`` find it.

Whatever such a request asks of the store raises what no code of the hub expects, with a text that nobody may see.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch

from starlette.types import Receive, Scope, Send

HEADER = "X-Sabotage"
PASSWORD = "canary-of-a-password"
SAID = f"cannot reach redis://hub:{PASSWORD}@10.11.12.13:6379/0 (see /srv/hub/store/calls.py)"

_is_sabotaged: ContextVar[bool] = ContextVar("is_sabotaged", default=False)


def main() -> int:
    """Patch, then run the hub."""
    from hub.api.edge import Edge
    from hub.cli import main as run_hub
    from hub.store.calls import Calls
    from hub.store.lanes import Lanes

    answer, put = Edge.__call__, Calls._put

    async def answer_marked(self: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        _is_sabotaged.set(any(name == HEADER.lower().encode() for name, _ in scope.get("headers", [])))
        await answer(self, scope, receive, send)

    def put_or_fail(self: Calls, lanes: Lanes, command: tuple[Any, ...], *, is_on_time: bool = False) -> Any:
        if _is_sabotaged.get():
            raise RuntimeError(SAID)
        return put(self, lanes, command, is_on_time=is_on_time)

    patch.object(Edge, "__call__", answer_marked).start()
    patch.object(Calls, "_put", put_or_fail).start()
    return run_hub()


if __name__ == "__main__":
    sys.exit(main())
