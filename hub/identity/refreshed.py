"""A value that somebody else publishes: fetched when needed, by one fetch for all who wait, and kept while it is good.

A failed fetch never replaces a good value: the last good one serves for a day, and the next try waits a little.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from hub.errors import ProviderUnavailable
from hub.identity.fetching import FetchFailed
from hub.telemetry import metrics
from hub.telemetry.security import SecurityEvent, note

FRESH_SECONDS = 600.0
LAST_GOOD_SECONDS = 86_400.0
RETRY_SECONDS = 5.0
PATIENCE_SECONDS = 1.0
T = TypeVar("T")


class Refreshed(Generic[T]):
    """``what`` (``metadata`` or ``keys``) a ``provider`` publishes.

    ``fetch`` returns a checked value or raises ``FetchFailed``; ``fetches`` counts what it got.
    """

    def __init__(
        self, what: str, provider: str, fetch: Callable[[], Awaitable[T]], monotonic: Callable[[], float]
    ) -> None:
        self._what, self._provider, self._fetch, self._monotonic = what, provider, fetch, monotonic
        self._value: T | None = None
        self._good_since = 0.0
        self._failed_at: float | None = None
        self._is_down = False
        self._flight: asyncio.Task[bool] | None = None
        self.fetches = 0

    async def get(self) -> T:
        """The value. Raises ``ProviderUnavailable`` if there is none that is good enough.

        An old one is renewed first; if that takes its time, the old one serves meanwhile.
        """
        if self._value is None or self._age() >= LAST_GOOD_SECONDS:
            await self.refresh()
        elif self._age() >= FRESH_SECONDS:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.refresh(), PATIENCE_SECONDS)
        if self._value is None or self._age() >= LAST_GOOD_SECONDS:
            raise ProviderUnavailable
        return self._value

    async def confirmed(self, seconds: float) -> T:
        """The value from somebody who answered within ``seconds``, or does now. Raises ``ProviderUnavailable``.

        An answer is enough: a useless one keeps the last good value here too.
        """
        if self._value is None or self._is_down or self._age() >= seconds:
            await self.refresh()
        if self._is_down:
            raise ProviderUnavailable
        return await self.get()

    @property
    def is_fetching(self) -> bool:
        """Whether a fetch is under way that one could join."""
        return self._flight is not None

    async def refresh(self) -> bool:
        """Fetch now, together with all others who ask meanwhile. Whether it worked; soon after a failure: no."""
        if self._flight is None:
            if self._failed_at is not None and self._monotonic() - self._failed_at < RETRY_SECONDS:
                return False
            self._flight = asyncio.create_task(self._try())
        return await asyncio.shield(self._flight)

    async def _try(self) -> bool:
        try:
            self._value = await self._fetch()
        except FetchFailed as error:
            self._failed_at, self._is_down = self._monotonic(), error.is_down
            self._count("down" if error.is_down else "useless")
            what = f"{self._what} of {self._provider}"
            note(SecurityEvent.PROVIDER_ANSWER_USELESS, purpose=what, why=str(error))
            return False
        except ProviderUnavailable:
            self._failed_at, self._is_down = self._monotonic(), True
            self._count("down")
            return False
        else:
            self.fetches += 1
            self._count("ok")
            self._good_since, self._failed_at, self._is_down = self._monotonic(), None, False
            return True
        finally:
            self._flight = None

    def _count(self, outcome: str) -> None:
        metrics.PROVIDER_FETCHES.add(self._provider, self._what, outcome)

    def _age(self) -> float:
        return self._monotonic() - self._good_since
