"""The scripts, one a file. Called by digest; sent whole where the store does not know them (yet, or any more)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Literal, TypeAlias

from redis.exceptions import NoScriptError, ResponseError

from hub.store.calls import Calls, Reply

Name: TypeAlias = Literal["open", "commit", "touch", "end", "close", "rewrap"]
NAMES: tuple[Name, ...] = ("open", "commit", "touch", "end", "close", "rewrap")
UNFIT_REPLIES = ("WRONGTYPE", "The ID specified in XADD")


class UnfitHistory(Exception):
    """What stands in the store as a history is none, or is not where its record is: nothing was added or changed."""


class Scripts:
    """Runs the scripts by name."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._sources = {name: files("hub.store.scripts").joinpath(f"{name}.lua").read_text() for name in NAMES}
        self._digests = {
            name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in self._sources.items()
        }

    async def append(self, name: Literal["commit", "close"], keys: Sequence[str], args: Sequence[Any]) -> Reply:
        """Run one that continues a history. Raises ``UnfitHistory``."""
        try:
            return await self.run(name, keys, args)
        except ResponseError as error:
            if str(error).startswith(UNFIT_REPLIES):
                raise UnfitHistory from None
            raise

    async def run(self, name: Name, keys: Sequence[str], args: Sequence[Any]) -> Reply:
        """Run one script; the answer is as its file says."""
        try:
            return await self._calls.call("EVALSHA", self._digests[name], len(keys), *keys, *args)
        except NoScriptError:
            return await self._calls.call("EVAL", self._sources[name], len(keys), *keys, *args)
