"""What the store's user may not do: a right that was missing all along, or was taken away while the hub runs.

Who configured that has to be told, and no caller can help it: one log record a minute and wording, and for the caller
503. The mode stays what it is: the store is there, and everything else works.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from redis.exceptions import NoPermissionError, ResponseError

from hub.errors import Maintenance

IN_SCRIPTS = ("ACL failure in script", "The user executing the script can't")  # Valkey's words, and those of Redis 7
AGAIN_SECONDS = 60.0
MOST_WORDINGS = 100

log = logging.getLogger("hub.store")


class Denied(Maintenance, NoPermissionError):
    """The store does not let the hub do this. A script may have been stopped half-way."""

    def __init__(self, detail: str = "The store does not let the hub do this") -> None:
        super().__init__(detail)


def is_denial(error: ResponseError) -> bool:
    """Whether this refusal is about rights, in a script or outside."""
    return isinstance(error, NoPermissionError) or str(error).startswith(IN_SCRIPTS)


class Denials:
    """Those there were, each logged now and then."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._logged: dict[str, float] = {}

    def note(self, error: ResponseError) -> Denied:
        """Log it, unless that was done a moment ago; what to raise in its place."""
        why, now = str(error).partition(" script: ")[0], self._monotonic()
        if now - self._logged.get(why, -AGAIN_SECONDS) >= AGAIN_SECONDS:
            self._logged = {} if len(self._logged) >= MOST_WORDINGS else self._logged
            self._logged[why] = now
            log.error("store_denies", extra={"why": why, "to_do": "`hub doctor` names what the store's user lacks"})
        return Denied()
