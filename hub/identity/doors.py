"""Doors: the origins at which people meet the hub.

There is the public one; the operators' own, where ``console_url`` names another host; and one for each app with a host
of its own. A token is good at one door only, each door trusts the pages of its own origin, an operator is one at the
operators' door only, and whoever comes through an app's door sees what that app may see. So what runs on the public
origin (any app under a prefix) never acts as an operator, and no app with its own host acts for another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from hub.identity.origins import Origins


@dataclass(frozen=True, slots=True)
class Door:
    """One origin of the hub. ``name`` is bound into the tokens that count at it; ``url`` has no path."""

    name: str
    url: str
    origins: Origins
    is_for_operators: bool = False
    is_for_apps: bool = True
    app: str | None = None  # the one app that lives here

    @property
    def host(self) -> str:
        """The value of ``Host`` that leads here."""
        return urlsplit(self.url).netloc.lower()


@dataclass(frozen=True, slots=True)
class AppHost:
    """An app on a host of its own: its name, the value of ``Host``, and further origins that may act for it."""

    app: str
    host: str
    origins: tuple[str, ...] = ()


class Doors:
    """All doors of one hub. ``console_url``: the operators' origin, the public one itself, or none at all."""

    def __init__(
        self,
        public_url: str,
        console_url: str | None,
        listed: Iterable[str] = (),
        apps: Iterable[AppHost] = (),
    ) -> None:
        shares = console_url == public_url
        self.public = Door("", public_url, Origins.of([public_url], listed), is_for_operators=shares)
        own = [] if shares or console_url is None else [_console(console_url)]
        own += [_of_app(app, urlsplit(public_url).scheme) for app in apps]
        self._by_host = {door.host: door for door in own}
        self._by_app = {door.app: door for door in own if door.app is not None}

    def at(self, host: str) -> Door:
        """The door that a request with this ``Host`` came to."""
        return self._by_host.get(host.lower(), self.public)

    def of_app(self, app: str) -> Door:
        """Where this app is met: on its own host, or else behind the public door."""
        return self._by_app.get(app, self.public)


def _console(url: str) -> Door:
    return Door("console", url, Origins.of([url]), is_for_operators=True, is_for_apps=False)


def _of_app(app: AppHost, scheme: str) -> Door:
    url = f"{scheme}://{app.host.lower()}"
    return Door(f"app:{app.app}", url, Origins.of([url], app.origins), app=app.app)
