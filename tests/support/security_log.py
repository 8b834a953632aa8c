"""The security events a node writes, as a security team reads them: one JSON line each."""

from __future__ import annotations

import json
from typing import Any

from tests.support.nodes import Cluster, Node
from tests.support.waiting import eventually

LOGGER = "hub.security"
Line = dict[str, Any]


class SecurityLog:
    """What one node has written since this object was made, or since it was looked at last."""

    def __init__(self, cluster: Cluster, node: Node) -> None:
        self._cluster, self._node = cluster, node
        self._read = len(cluster.log(node))

    def text(self) -> str:
        """All new text, of every logger."""
        whole = self._cluster.log(self._node)
        fresh, self._read = whole[self._read :], len(whole)
        return fresh

    def events(self) -> list[Line]:
        """The new security events."""
        return [line for line in lines_of(self.text()) if line["logger"] == LOGGER]

    def names(self) -> list[str]:
        """Their names alone, in order."""
        return [line["event"] for line in self.events()]

    async def until(self, name: str, seconds: float = 5.0) -> Line:
        """The first new event of this name, which may take a moment."""
        found: list[Line] = []

        async def is_there() -> bool:
            found.extend(line for line in self.events() if line["event"] == name)
            return bool(found)

        try:
            await eventually(is_there, seconds)
        except TimeoutError:
            raise AssertionError(f"no {name} was written") from None
        return found[0]


def lines_of(text: str) -> list[Line]:
    """Every line has to be one JSON object."""
    return [_object(line) for line in text.split("\n") if line]


def _object(line: str) -> Line:
    try:
        said = json.loads(line)
    except ValueError:
        raise AssertionError(f"not a JSON object: {line[:200]!r}") from None
    assert isinstance(said, dict), line
    return said
