"""The conversation under everything that can happen to it, in any order: the copy a tab builds is never wrong.

A model store keeps the true history (and may lose its end and go on otherwise, as after a failover, or forget its
beginning). Its feed loses messages; reads take their time; the outbox is tiny and the tab slow. The tab builds its
copy by the rules of the protocol and compares at every ``live``.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.core.access import View
from hub.core.change import Change
from hub.core.document import apply
from hub.core.position import Position
from hub.core.session import Session
from hub.protocol import messages
from hub.protocol.close_codes import CloseCode
from hub.protocol.conversation import Action, Close, Conversation, Phase, Push, Read, Reply, Send, Show
from tests.core.strategies import comparable
from tests.protocol.facts import ENDING, FIRST, after, change, position, session

MOST_WAITING = 4  # mode, presence, snapshot and live: what one draining may put
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
        lost = self.history[len(self.history) - count :]
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


class ConversationMachine(RuleBasedStateMachine):
    """Facts in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.store, self.tab = Store(), Tab()
        self.feed: list[Change] = []
        self.waiting: list[tuple[Message, bool]] = []  # message, droppable
        self.asked: list[Position | None] = []  # at most one: a new read replaces the old
        self.found: tuple[list[Change] | None, Session, Any] | None = None
        self.closed: CloseCode | None = None
        self.view = VIEWS[0]
        self.reconnect()

    # the edge: what a connection does with actions

    def act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Push(heard) if self.talk.phase is not Phase.BEHIND:
                    self.put(messages.change(heard, self.talk.view, is_own=False))
                case Show(message) if self.talk.phase is not Phase.BEHIND:
                    self.put(message)
                case Send(message):
                    self.put(message)
                case Reply(message):
                    self.waiting.append((message, False))
                case Read(since):
                    self.asked, self.found = [since], None
                case Close(code, _, last):
                    self.waiting = [] if last is None else [(last, True)]
                    self.closed = code
                case _:
                    pass

    def put(self, message: Message) -> None:
        assert self.closed is None, "something was said after the close"
        if sum(droppable for _, droppable in self.waiting) >= MOST_WAITING:
            self.waiting = [entry for entry in self.waiting if not entry[1]]
            self.act(self.talk.on_overflow())
        else:
            self.waiting.append((message, True))

    def write_one(self) -> None:
        if self.waiting:
            message, _ = self.waiting.pop(0)
            self.tab.receive(message, {str(at): state for at, state in self.store.states.items()})
        if not self.waiting and self.closed is None:
            self.act(self.talk.on_drained())

    # the tab

    @rule()
    @precondition(lambda self: self.closed is not None and not self.waiting and not self.tab.is_over)
    def reconnect(self) -> None:
        """The tab comes (back), to go on from what it holds."""
        self.talk = Conversation(self.view)
        self.closed, self.asked, self.found, self.feed, self.waiting = None, [], None, [], []
        at = Position.parse(self.tab.at) if self.tab.at else None
        self.act(self.talk.on_opened(at, self.tab.view or None))

    @rule()
    def drop_line(self) -> None:
        """The connection breaks; whatever was waiting is gone."""
        self.act(self.talk.on_closing(CloseCode.SHUTDOWN))
        if not self.tab.is_over:
            self.waiting = []

    @rule(
        frame=st.sampled_from(['{"type":"ping"}', '{"type":"activity"}', '{"type":"commit","id":"abcdefgh-1234_XYZ"}'])
    )
    def say(self, frame: str) -> None:
        """The tab says something harmless."""
        self.act(self.talk.on_frame(frame))

    @rule(count=st.integers(1, 4))
    def read_frames(self, count: int) -> None:
        """The tab reads a little."""
        for _ in range(count):
            self.write_one()

    # the store and its feed

    @rule(section=st.sampled_from(["a", "hidden"]), is_lost=st.booleans())
    def commit(self, section: str, is_lost: bool) -> None:
        """Somebody commits; the feed may lose the message."""
        happened = self.store.commit(section)
        if not is_lost:
            self.feed.append(happened)

    @rule(count=st.integers(1, 3))
    def hear(self, count: int) -> None:
        """The feed brings what it has."""
        for heard in self.feed[:count]:
            self.act(self.talk.on_change(heard))
        self.feed = self.feed[count:]

    @rule(count=st.integers(1, 2))
    def fail_over(self, count: int) -> None:
        """The store loses its latest commits; the feed is lost with it, and everybody reads again."""
        self.store.lose(count)
        self.feed = []
        self.act(self.talk.on_reload())

    @rule()
    def compact(self) -> None:
        """The store forgets old history."""
        self.store.compact()

    @rule()
    def lose_feed(self) -> None:
        """The feed is lost and restored."""
        self.feed = []
        self.act(self.talk.on_reload())

    # reads

    @rule()
    @precondition(lambda self: self.asked)
    def store_answers(self) -> None:
        """The store is read; the answer is on its way."""
        self.found = self.store.answer(self.asked[0])
        self.asked = []

    @rule()
    @precondition(lambda self: self.found is not None)
    def answer_arrives(self) -> None:
        """The answer reaches the conversation."""
        assert self.found is not None
        (changes, now, why), self.found = self.found, None
        if changes is None:
            self.act(self.talk.on_snapshot(now, why))
        else:
            self.act(self.talk.on_changes(changes, now.position))

    # the node

    @rule(view=st.sampled_from(VIEWS))
    def change_view(self, view: View) -> None:
        """Rights change."""
        self.view = view
        self.act(self.talk.on_view(view))

    @rule()
    def speak(self) -> None:
        """The node has something to say beside the copy."""
        self.act(self.talk.on_mode("read_only"))
        self.act(self.talk.on_presence([]))
        self.act(self.talk.on_heartbeat())

    @rule(really=st.integers(0, 9))
    def end(self, really: int) -> None:
        """Now and then, the session ends."""
        if really == 0:
            self.act(self.talk.on_ended(ENDING))

    # what holds

    @invariant()
    def a_read_is_under_way_exactly_while_reading(self) -> None:
        """No conversation waits for an answer nobody was asked for."""
        if self.talk.phase is Phase.READING:
            assert self.asked or self.found is not None

    def teardown(self) -> None:
        """When all is quiet and positions are compared, the copy is the truth."""
        if self.tab.is_over or (self.closed is not None and self.talk.phase is Phase.OVER and self.waiting):
            return
        if self.closed is not None:
            self.reconnect()
        self._settle()
        if self.talk.position != self.store.now.position:  # the last message was lost without a trace
            self.act(self.talk.on_reload())
            self._settle()
        assert self.tab.at == str(self.store.now.position)
        true = self.talk.view.of_document(self.store.now.document)
        assert comparable(self.tab.document) == comparable(true)
        assert self.tab.lives > 0

    def _settle(self) -> None:
        for _ in range(200):
            if self.feed:
                self.hear(1)
            elif self.asked:
                self.store_answers()
            elif self.found is not None:
                self.answer_arrives()
            elif self.waiting or self.talk.phase is Phase.BEHIND:
                self.write_one()
            else:
                return
        raise AssertionError("it does not come to rest")


TestConversation = ConversationMachine.TestCase
TestConversation.settings = settings(deadline=None, max_examples=120, stateful_step_count=40)
