"""Conversations brought into a state, and their actions in short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.core.access import View
from hub.protocol.conversation import Action, Close, Conversation, Push, Read, Reply, Send, Show
from tests.protocol.facts import chain_of, position, session

VIEW = View("5be01c77", frozenset({"a"}))
OTHER = View("0badcafe", frozenset({"a", "hidden"}))
COMMIT = '{"type":"commit","id":"abcdefgh-1234_XYZ","patch":{}}'


def told(actions: Sequence[Action]) -> list[Any]:
    """The actions in short: types of messages, positions of changes, and the rest by class."""
    return [_short(action) for action in actions]


def _short(action: Action) -> Any:
    match action:
        case Send(message) | Show(message) | Reply(message):
            return message["type"]
        case Push(heard):
            return heard.position.revision
        case Read(since):
            return ("read", since.revision if since else None)
        case Close(code):
            return code
        case _:
            return type(action)


def reason_of(actions: Sequence[Action]) -> Any:
    return next(each.message["reason"] for each in actions if isinstance(each, Show))


def live(revision: int = 1) -> Conversation:
    """A conversation that stands live at ``revision``."""
    conversation = Conversation(VIEW)
    conversation.on_opened(None, None)
    conversation.on_snapshot(session(at=position(revision)))
    return conversation


def behind(revision: int = 1) -> Conversation:
    """One whose outbox overflowed."""
    conversation = live(revision)
    conversation.on_change(chain_of(revision + 1)[0])
    conversation.on_overflow()
    return conversation
