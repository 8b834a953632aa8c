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
from hub.core.position import Position
from hub.core.session import Session
from hub.protocol import messages
from hub.protocol.close_codes import CloseCode
from hub.protocol.conversation import Action, Close, Conversation, Phase, Push, Read, Reply, Send, Show
from tests.core.strategies import comparable
from tests.protocol.facts import ENDING
from tests.protocol.model import VIEWS, Message, Store, Tab

MOST_WAITING = 4  # mode, presence, snapshot and live: what one draining may put


rarely = st.sampled_from([False, False, False, True])


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
        self.is_lost = False
        self.open(VIEWS[0])

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

    @rule(view=st.sampled_from(VIEWS), is_new=rarely)
    def reconnect(self, view: View, is_new: bool) -> None:
        """The line breaks, whatever waited is gone, and the tab comes back, to go on from what it holds."""
        if self.tab.is_over or self.closed is CloseCode.ENDED:
            return
        self.act(self.talk.on_closing(CloseCode.SHUTDOWN))
        if is_new:
            self.tab = Tab()
        self.open(view)

    def open(self, view: View) -> None:
        self.talk = Conversation(view)
        self.closed, self.asked, self.found, self.feed, self.waiting = None, [], None, [], []
        at = Position.parse(self.tab.at) if self.tab.at else None
        self.act(self.talk.on_opened(at, self.tab.view or None))

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

    @rule(sections=st.lists(st.sampled_from(["a", "hidden"]), min_size=1, max_size=3), is_lost=rarely)
    def commit(self, sections: list[str], is_lost: bool) -> None:
        """Somebody commits; the feed may lose the messages."""
        happened = [self.store.commit(section) for section in sections]
        if is_lost:
            self.is_lost = True
        else:
            self.feed += happened

    @rule(count=st.integers(1, 5))
    def hear(self, count: int) -> None:
        """The feed brings what it has."""
        for heard in self.feed[:count]:
            self.act(self.talk.on_change(heard))
        self.feed = self.feed[count:]

    @rule(what=st.sampled_from(["fail over", "compact", "lose feed"]), count=st.integers(1, 2))
    def disturb(self, what: str, count: int) -> None:
        """The store loses its latest commits, or forgets its oldest; the feed is lost and restored."""
        if what == "compact":
            self.store.compact()
            return
        self.store.lose(count if what == "fail over" else 0)
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
        self.act(self.talk.on_view(view))

    @rule()
    def speak(self) -> None:
        """The node has something to say beside the copy."""
        self.act(self.talk.on_mode("read_only"))
        self.act(self.talk.on_presence([]))
        self.act(self.talk.on_heartbeat())

    @rule(really=st.sampled_from([False] * 15 + [True]))
    def end(self, really: bool) -> None:
        """Now and then, the session ends."""
        if really:
            self.act(self.talk.on_ended(ENDING))

    # what holds

    @invariant()
    def a_read_is_under_way_exactly_while_reading(self) -> None:
        """No conversation waits for an answer nobody was asked for."""
        if self.talk.phase is Phase.READING:
            assert self.asked or self.found is not None

    def teardown(self) -> None:
        """When all is quiet and positions are compared, the copy is the truth."""
        if self.closed is CloseCode.ENDED:
            while self.waiting:
                self.write_one()
            assert self.tab.is_over
            return
        self._settle()
        if self.talk.position != self.store.now.position:
            assert self.is_lost, "only a lost message may leave a copy behind"
            self.act(self.talk.on_reload())
            self._settle()
        assert self.tab.at == str(self.store.now.position)
        true = self.talk.view.of_document(self.store.now.document)
        assert comparable(self.tab.document) == comparable(true)
        assert self.tab.lives > 0

    @rule(turns=st.integers(3, 12))
    def work(self, turns: int) -> None:
        """All goes its way for a while: the feed, the reads, the tab."""
        for _ in range(turns):
            self._turn()

    def _settle(self) -> None:
        for _ in range(200):
            if not self._turn():
                return
        raise AssertionError("it does not come to rest")

    def _turn(self) -> bool:
        if self.feed:
            self.hear(1)
        elif self.asked:
            self.store_answers()
        elif self.found is not None:
            self.answer_arrives()
        elif self.waiting or self.talk.phase is Phase.BEHIND:
            self.write_one()
        else:
            return False
        return True


TestConversation = ConversationMachine.TestCase
TestConversation.settings = settings(deadline=None, max_examples=400, stateful_step_count=50)
