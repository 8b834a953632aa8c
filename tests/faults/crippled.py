"""A node that lacks something: ``python -m tests.faults.crippled serve …`` with ``CRIPPLES=name,name``.

Each cripple switches one mechanism off, so that the checker can be seen to object. They live here, and are patched in
from outside: the hub has no switch for them. Some only change a number or a clock, for tests that would take too long.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support.namespaces import enter

SKEW_SECONDS = 300.0
LATE_SECONDS = 0.1


def fast_clock() -> None:
    """The machine's clock is five minutes ahead."""
    _skew(SKEW_SECONDS)


def slow_clock() -> None:
    """The machine's clock is five minutes behind."""
    _skew(-SKEW_SECONDS)


def _skew(seconds: float) -> None:
    honest = time.time
    patch("time.time", lambda: honest() + seconds).start()


def own_clock() -> None:
    """The store's clock is not listened to."""
    from hub.store.clock import StoreClock

    patch.object(StoreClock, "heard", lambda *_: None).start()


def deaf() -> None:
    """A feed that was lost and is back makes nobody read again."""
    from hub.live.fanout import Fanout

    patch.object(Fanout, "on_feed_restored", lambda *_: None).start()


def homeless() -> None:
    """What is served by another shard now is not followed there."""
    from hub.store.feed import Feed

    patch.object(Feed, "_find_homes", lambda _: None).start()


def gullible() -> None:
    """Every change is pushed, whether it continues the copy or not."""
    from hub.core.judge import Verdict

    patch("hub.protocol.conversation.judge", lambda *_: Verdict.APPLY).start()


def hasty() -> None:
    """Positions are checked twice a second."""
    patch("hub.live.rounds.CHECK_POSITIONS_SECONDS", 0.5).start()


def brisk() -> None:
    """Nodes and tabs must give signs of life several times as often as usual."""
    patch("hub.cli.server.PING_SECONDS", 2.0).start()
    patch("hub.cli.server.PONG_SECONDS", 1.0).start()
    patch("hub.store.presence.NODE_LIFE_SECONDS", 5.0).start()
    patch("hub.store.store.NODE_BEAT_SECONDS", 1.0).start()
    patch("hub.live.rounds.CHECK_PRESENCE_SECONDS", 1.0).start()


def impatient() -> None:
    """Tabs that do not read are given a second, and another three to hear why they are closed."""
    patch("hub.live.rounds.STUCK_SECONDS", 1.0).start()
    patch("hub.live.connection.CLOSE_GRACE_SECONDS", 3.0).start()


def curious() -> None:
    """What a provider publishes counts as fresh for a second only."""
    patch("hub.identity.refreshed.FRESH_SECONDS", 1.0).start()


def restless() -> None:
    """The same for a moment only; and providers are asked again right after a failure, and have to answer soon."""
    patch("hub.identity.refreshed.FRESH_SECONDS", 0.2).start()
    patch("hub.identity.refreshed.RETRY_SECONDS", 0.05).start()
    patch("hub.identity.fetching.TIMEOUT_SECONDS", 0.5).start()


def unchecked() -> None:
    """Positions are not checked."""
    from hub.live.rounds import Rounds

    async def check_nothing(_: Rounds) -> None:
        """Nothing."""

    patch.object(Rounds, "check_positions", check_nothing).start()


def crowded() -> None:
    """Opens one connection at a time and takes long for it; two in the queue are more than it can serve soon."""
    from hub.live.turns import Turns
    from hub.sessions.sessions import Sessions

    init = Turns.__init__
    patch.object(Turns, "__init__", lambda self: init(self, 1)).start()
    patch.object(Sessions, "catch_up", _late(Sessions.catch_up, LATE_SECONDS)).start()
    patch("hub.live.admission.LONGEST_WAIT_SECONDS", 0.0015).start()


def boxed() -> None:
    """Believes to be in the container whose control group is in the folder ``CONTROL_GROUP``."""
    from hub.live.memory import Memory

    init = Memory.__init__
    folder = Path(os.environ["CONTROL_GROUP"])
    patch.object(Memory, "__init__", lambda self: init(self, Path("/proc"), folder)).start()


def mute_ends() -> None:
    """Ends are not published."""
    _edit_scripts({"end": lambda text: text.replace("redis.call('SPUBLISH'", "tostring('SPUBLISH'")})


def forgetful() -> None:
    """Idempotency keys are not remembered."""
    from hub.store.sessions import Records

    commit, read = Records.commit, Records.read_with_key
    patch.object(Records, "commit", lambda self, before, after, _: commit(self, before, after, None)).start()
    patch.object(Records, "read_with_key", lambda self, sid, _: read(self, sid, None)).start()


def leaky() -> None:
    """An outbox that is full drops the frame and says nothing."""
    from hub.live.outbox import MOST_BYTES, MOST_FRAMES, Outbox, Put

    put = Outbox.put

    def put_or_drop(self: Outbox, frame: bytes) -> Put:
        is_full = len(self) >= MOST_FRAMES - 1 or self._bytes + len(frame) > MOST_BYTES
        return Put.KEPT if is_full else put(self, frame)

    patch.object(Outbox, "put", put_or_drop).start()


def incomparable() -> None:
    """A commit is written whatever the position is by now, over what another one wrote."""

    def edit(text: str) -> str:
        return text.replace("if at[2] ~= ARGV[1] then", "if false then").replace("call('XADD'", "pcall('XADD'")

    _edit_scripts({"commit": edit})


def undead() -> None:
    """A commit writes the whole record, status included, without looking whether the session lives. So that ends come
    between its reading and its writing, both take their time; and a history is closed later still, which would
    otherwise stop most such commits."""
    from hub.store.ends import Ends
    from hub.store.sessions import Records

    def edit(text: str) -> str:
        text = text.replace("if at[1] ~= 'live' or", "if")
        return text.replace("('HSET', KEYS[1], 'position'", "('HSET', KEYS[1], 'status', 'live', 'position'")

    for owner, name, seconds in (
        (Ends, "end", LATE_SECONDS),
        (Records, "commit", 2 * LATE_SECONDS),
        (Ends, "_after", 4 * LATE_SECONDS),
    ):
        patch.object(owner, name, _late(getattr(owner, name), seconds)).start()
    _edit_scripts({"commit": edit})


def trusting() -> None:
    """A commit is acknowledged whatever its replicas say."""
    from hub.store.durability import Durability

    patch.object(Durability, "wait", lambda _: ("WAIT", 0, 1)).start()
    patch.object(Durability, "is_met", lambda *_: True).start()


def unrepeated() -> None:
    """After a promotion the ends of the last minutes are not made again."""
    from hub.store.ends import Ends

    patch.object(Ends, "end_again", _done).start()


def unwatched() -> None:
    """A primary is trusted whether it reaches any replica or not."""
    from hub.store.replicas import Replicas

    patch.object(Replicas, "run", _done).start()
    patch.object(Replicas, "is_trusted", _yes).start()


def beside() -> None:
    """The same, and the primary that was found first is the primary for ever."""
    from hub.store.sentinels import Sentinels

    find = Sentinels.primary

    async def found_first(self: Sentinels) -> tuple[str, int]:
        return self.current or await find(self)

    patch.object(Sentinels, "primary", found_first).start()
    unwatched()


def illiterate() -> None:
    """What the store refuses is not understood."""
    from hub.store.calls import Calls

    patch.object(Calls, "_translate", lambda _, error: error).start()


def doubtful() -> None:
    """A store that does not answer is taken for one that knows nobody."""
    from hub.errors import Unavailable
    from hub.store.store import Store

    read = Store.read

    async def read_or_not(self: Store, sid: str) -> Any:
        try:
            return await read(self, sid)
        except Unavailable:
            return None

    patch.object(Store, "read", read_or_not).start()


async def _done(*_: object) -> None:
    pass


async def _yes(*_: object) -> bool:
    return True


def _late(what: Callable[..., Awaitable[Any]], seconds: float) -> Callable[..., Awaitable[Any]]:
    async def after_a_while(*args: Any, **named: Any) -> Any:
        await asyncio.sleep(seconds)
        return await what(*args, **named)

    return after_a_while


def _edit_scripts(edits: dict[str, Callable[[str], str]]) -> None:
    import hashlib

    from hub.store.scripts import Scripts

    init = Scripts.__init__

    def init_edited(self: Any, calls: Any) -> None:
        init(self, calls)
        for name, edit in edits.items():
            text = self._sources[name]
            assert edit(text) != text, f"{name}.lua has changed: the cripple does not fit any more"
            self._sources[name] = edit(text)
            self._digests[name] = hashlib.sha1(edit(text).encode(), usedforsecurity=False).hexdigest()

    patch.object(Scripts, "__init__", init_edited).start()


CRIPPLES = {
    cripple.__name__: cripple
    for cripple in (
        fast_clock,  # clocks first: others import the hub, which takes the clock as it finds it
        slow_clock,
        own_clock,
        deaf,
        homeless,
        gullible,
        hasty,
        brisk,
        impatient,
        curious,
        restless,
        unchecked,
        crowded,
        boxed,
        mute_ends,
        forgetful,
        leaky,
        incomparable,
        undead,
        trusting,
        unrepeated,
        unwatched,
        beside,
        illiterate,
        doubtful,
    )
}


def main() -> int:
    """Cripple, then run the hub; in the network that ``NETNS`` names, if it does."""
    if place := os.environ.get("NETNS"):
        enter(place)
    wanted = [name for name in os.environ.get("CRIPPLES", "").split(",") if name]
    for name in sorted(wanted, key=list(CRIPPLES).index):
        CRIPPLES[name]()
    from hub.cli import main as run_hub

    return run_hub()


if __name__ == "__main__":
    sys.exit(main())
