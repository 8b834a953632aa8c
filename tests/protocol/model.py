"""What is true, and what a tab makes of what it is sent: the two sides that a conversation stands between."""

from __future__ import annotations

from typing import Any

from hub.core.access import View
from hub.core.change import Change
from hub.core.document import apply
from hub.core.position import Position
from hub.core.session import Session
from hub.protocol import messages
from tests.core.strategies import comparable
from tests.protocol.facts import FIRST, after, change, position, session

VIEWS = [View("aaaaaaaa", frozenset({"a"})), View("bbbbbbbb", frozenset({"a", "hidden"}))]
Message = messages.Message


class Store:
    """The truth: every session state that ever was, by position, and the history as it is now."""

    def __init__(self) -> None:
        self.now = session(FIRST)
        self.history: list[Change] = []
        self.states: dict[Position, Session] = {self.now.position: self.now}
        self._branch = 0

    def commit(self, section: str) -> Change:
        at = self.now.position
        to = position(at.revision + 1, f"{self._branch}")
        ops = [{"op": "add", "path": f"/{section}/n", "value": f"{to}"}]
        happened = change(at, to, ops)
        self.now = after(self.now, happened)
        self.states[to] = self.now
        self.history.append(happened)
        return happened

    def lose(self, count: int) -> None:
        """A failover to a store that never heard of the last ``count`` commits."""
        lost = self.history[len(self.history) - count :] if count else []
        if lost and lost[0].base is not None:
            self.history = self.history[: -len(lost)]
            self.now = self.states[lost[0].base]
            self._branch += 1

    def compact(self) -> None:
        self.history = self.history[-1:]

    def answer(self, since: Position | None) -> tuple[list[Change] | None, Session, Any]:
        """What a read finds now: changes, or a snapshot and why."""
        if since is None:
            return None, self.now, None
        if since == self.now.position:
            return [], self.now, None
        for number, each in enumerate(self.history):
            if each.base == since:
                return self.history[number:], self.now, None
        return None, self.now, "ahead" if since.revision > self.now.position.revision else "compacted"


class Tab:
    """A copy, built from what was received and nothing else."""

    def __init__(self) -> None:
        self.document: Any = None
        self.at = self.view = ""
        self.is_over = False
        self.lives = 0

    def receive(self, message: Message, truth: dict[str, Session]) -> None:
        assert not self.is_over, "nothing follows the end"
        match message["type"]:
            case "snapshot":
                self.document, self.at, self.view = message["document"], message["position"], message["view"]
            case "change":
                assert message["base"] == self.at, "a change that does not fit was sent"
                self.document, self.at = apply(self.document, message["ops"]), message["position"]
            case "live":
                assert message["position"] == self.at
                sections = next(view.sections for view in VIEWS if view.name == message["view"])
                true = {name: value for name, value in truth[self.at].document.items() if name in sections}
                assert comparable(self.document) == comparable(true)
                self.view, self.lives = message["view"], self.lives + 1
            case "heartbeat":
                assert message.get("position") in (None, self.at), "the tab would think it lost something"
            case "ended":
                self.is_over = True
