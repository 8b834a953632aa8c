"""Whether an app's server is asked at all: after several failures in a row it is left alone for a while. Pure.

While open, one request a pause is let through to see; any answer closes it. Time is an argument, in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

FAILURES_TO_OPEN = 5
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class Breaker:
    """The breaker of one app."""

    failures: int = 0
    next_try: float = 0.0
    pause: float = FIRST_PAUSE_SECONDS
    is_probing: bool = False

    @property
    def is_open(self) -> bool:
        """Whether requests are refused at once, one a pause excepted."""
        return self.failures >= FAILURES_TO_OPEN

    def wait(self, now: float) -> float:
        """0 if this request may pass, else the seconds until the next one may."""
        if not self.is_open:
            return 0.0
        if now < self.next_try:
            return self.next_try - now
        self.is_probing = True  # this request; the others wait for what it finds
        self.next_try = now + self.pause
        return 0.0

    def on_answer(self) -> None:
        """It answered, whatever it said."""
        self.failures, self.pause, self.is_probing = 0, FIRST_PAUSE_SECONDS, False

    def on_failure(self, now: float) -> None:
        """It could not be reached, or kept silent too long."""
        was_open = self.is_open
        self.failures += 1
        if self.is_probing:
            self.pause, self.is_probing = min(2 * self.pause, LONGEST_PAUSE_SECONDS), False
            self.next_try = now + self.pause
        elif self.is_open and not was_open:
            self.next_try = now + self.pause
