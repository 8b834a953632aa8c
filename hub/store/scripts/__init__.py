"""The scripts, one a file. Called by digest; sent whole where the store does not know them (yet, or any more)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Literal, TypeAlias

from redis.exceptions import NoScriptError, ResponseError

from hub.store.calls import Answered, Calls, Reply
from hub.store.routed import Routed

Name: TypeAlias = Literal["open", "commit", "touch", "end", "close", "rewrap"]
NAMES: tuple[Name, ...] = ("open", "commit", "touch", "end", "close", "rewrap")
UNFIT_REPLIES = ("WRONGTYPE", "The ID specified in XADD")


class UnfitHistory(Exception):
    """What stands in the store as a history is none, or is not where its record is: nothing was added or changed."""


class Scripts:
    """Runs the scripts by name."""

    def __init__(self, calls: Calls | Routed) -> None:
        self._calls = calls
        self._sources = {name: files("hub.store.scripts").joinpath(f"{name}.lua").read_text() for name in NAMES}
        self._digests = {
            name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in self._sources.items()
        }

    async def append(self, name: Literal["commit", "close"], keys: Sequence[str], args: Sequence[Any]) -> Reply:
        """Run one that continues a history. Raises ``UnfitHistory``."""
        with _unfit_histories():
            return await self.run(name, keys, args)

    async def append_durably(
        self, name: Literal["commit", "close"], keys: Sequence[str], args: Sequence[Any]
    ) -> Answered:
        """The same, answered once it is as durable as configured, or is not so in time."""
        with _unfit_histories():
            return await self.run_durably(name, keys, args)

    async def run(self, name: Name, keys: Sequence[str], args: Sequence[Any]) -> Reply:
        """Run one script; the answer is as its file says."""
        return await self._run(self._calls.call, name, keys, args)

    async def run_durably(self, name: Name, keys: Sequence[str], args: Sequence[Any]) -> Answered:
        """The same, answered once it is as durable as configured, or is not so in time."""
        answered: Answered = await self._run(self._calls.call_durably, name, keys, args)
        return answered

    async def run_to_all(self, name: Name, keys: Sequence[str], args: Sequence[Any]) -> Answered:
        """The same, answered once all replicas have it, or not in time."""
        answered: Answered = await self._run(self._calls.call_to_all, name, keys, args)
        return answered

    async def _run(
        self, call: Callable[..., Awaitable[Any]], name: Name, keys: Sequence[str], args: Sequence[Any]
    ) -> Any:
        try:
            return await call("EVALSHA", self._digests[name], len(keys), *keys, *args)
        except NoScriptError:
            return await call("EVAL", self._sources[name], len(keys), *keys, *args)


@contextmanager
def _unfit_histories() -> Iterator[None]:
    try:
        yield
    except ResponseError as error:
        if str(error).startswith(UNFIT_REPLIES):
            raise UnfitHistory from None
        raise
