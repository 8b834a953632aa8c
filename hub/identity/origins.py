"""Which pages may use a live connection with the user's cookie: the Origin rule, before anything is accepted.

A WebSocket upgrade is not covered by CORS, so the check is here and exact: scheme, host and port.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hub.errors import CsrfRefused

SAME_ORIGIN = "same-origin"


@dataclass(frozen=True, slots=True)
class Origins:
    """The hub's own origins (public URL and console), and the further ones from configuration."""

    own: frozenset[str]
    listed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, own: Iterable[str], listed: Iterable[str] = ()) -> Origins:
        return cls(frozenset(own), frozenset(listed))

    def with_app(self, origins: Iterable[str]) -> Origins:
        """The same, and those that may act for one app."""
        return Origins(self.own, self.listed.union(origins))

    def __contains__(self, origin: str) -> bool:
        return origin in self.own or origin in self.listed


def check_live(origins: Origins, *, origin: str | None, sec_fetch_site: str | None, is_stream: bool) -> None:
    """Refuse a live connection from a page that is none of ours; raises ``CsrfRefused``.

    An ``EventSource`` of the same origin sends no ``Origin``; for such a stream (``is_stream``) the browser's
    ``Sec-Fetch-Site: same-origin`` stands in.
    """
    if origin is None and is_stream and sec_fetch_site == SAME_ORIGIN:
        return
    if origin is None or origin not in origins:
        raise CsrfRefused("A live connection with a cookie needs an Origin that this hub allows")
