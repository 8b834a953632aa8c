"""Calls that find their shard by themselves: by their first key, or the channel they publish to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from hub.store.calls import Answered, Calls, Reply
from hub.store.durability import Durability
from hub.store.slots import first_key


class Routed:
    """As ``Calls``, for a store of any number of shards. ``of`` gives those of the shard that serves a key."""

    def __init__(self, of: Callable[[str], Calls], durability: Durability) -> None:
        self.of, self.durability = of, durability

    def call(self, *command: Any) -> Awaitable[Reply]:
        """Send one command; the awaitable gives its answer or raises a ``HubError`` or ``ResponseError``."""
        return self.of(first_key(command)).call(*command)

    def call_on_time(self, *command: Any) -> Awaitable[Reply]:
        """The same; that shard's clock, as it is at this call, was heard before the answer is given."""
        return self.of(first_key(command)).call_on_time(*command)

    def call_durably(self, *command: Any) -> Awaitable[Answered]:
        """The same for a write: answered when it is as durable as configured, or not in time; see ``is_durable``."""
        return self.of(first_key(command)).call_durably(*command)

    def call_to_all(self, *command: Any) -> Awaitable[Answered]:
        """The same, waiting for all the replicas there are; ``copies`` says how many have it."""
        return self.of(first_key(command)).call_to_all(*command)

    def is_durable(self, answered: Answered) -> bool:
        """Whether it is as durable as configured."""
        return self.durability.is_local or self.durability.is_met(answered.copies)
