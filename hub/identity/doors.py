"""Doors: the origins at which people meet the hub.

There is the public one and, where ``console_url`` names another host, the operators' own. A session is opened at one
door and its token proves nothing at the other, each door trusts the pages of its own origin only, and an operator is
one at the operators' door only. So what runs on the public origin (any app under a prefix) never acts as an operator.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from hub.identity.origins import Origins


@dataclass(frozen=True, slots=True)
class Door:
    """One origin of the hub. ``name`` is bound into the tokens made at it; ``url`` has no path."""

    name: str
    url: str
    origins: Origins
    is_for_operators: bool
    is_for_apps: bool

    @property
    def host(self) -> str:
        """The value of ``Host`` that leads here."""
        return urlsplit(self.url).netloc.lower()


class Doors:
    """All doors of one hub. ``console_url``: the operators' origin, the public one itself, or none at all."""

    def __init__(self, public_url: str, console_url: str | None, listed: Iterable[str] = ()) -> None:
        shares = console_url == public_url
        self.public = Door("", public_url, Origins.of([public_url], listed), is_for_operators=shares, is_for_apps=True)
        self.console = self.public if shares else None
        if console_url is not None and not shares:
            own = Origins.of([console_url])
            self.console = Door("console", console_url, own, is_for_operators=True, is_for_apps=False)

    def at(self, host: str) -> Door:
        """The door that a request with this ``Host`` came to."""
        if self.console is not None and host.lower() == self.console.host:
            return self.console
        return self.public
