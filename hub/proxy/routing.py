"""Which app a request is for, and what is asked of its server. Pure.

A path is compared as it was written: one that *means* an app's prefix but is spelled in another way, or that climbs
with ``..`` in any spelling, is refused and never guessed at. What is forwarded are the bytes that came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from hub.errors import Malformed
from hub.proxy.ports import App

_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")  # no '#': fragments are not sent
_QUERY = re.compile(rb"[\x21-\x7e]*")
_MOST_DECODINGS = 8


class Routes:
    """The apps of a hub, found by host or by path prefix; the longest prefix wins."""

    def __init__(self, apps: Iterable[App]) -> None:
        self._by_host: dict[str, App] = {}
        self._by_prefix: list[tuple[bytes, App]] = []
        for app in apps:
            if app.host is not None:
                self._by_host[app.host.lower()] = app
            if app.prefix is not None:
                self._by_prefix.append((app.prefix.encode("ascii"), app))
        self._by_prefix.sort(key=lambda entry: len(entry[0]), reverse=True)

    def find(self, raw_path: bytes, host: str) -> App | None:
        """The app that a request is meant for, however it is spelled; ``target`` then judges the spelling."""
        if (app := self._by_host.get(host.lower())) is not None:
            return app
        if (app := self._plain(raw_path)) is not None or (b"%" not in raw_path and b"\\" not in raw_path):
            return app
        for spelling in _decodings(raw_path):
            if (app := self._plain(spelling.replace(b"\\", b"/"))) is not None:
                return app
        return None

    def target(self, app: App, raw_path: bytes, query: bytes) -> bytes:
        """The request target for the app's server, byte for byte. Raises ``Malformed``."""
        if not _TARGET.fullmatch(raw_path) or not _QUERY.fullmatch(query):
            raise Malformed("The request target holds characters that no URL has")
        if app.prefix is not None and not _is_inside(raw_path, app.prefix.encode("ascii")):
            raise Malformed("The path of this app has to be written plainly")
        if any(_climbs(spelling) for spelling in _decodings(raw_path)):
            raise Malformed("A path must not climb with '..'")
        return raw_path + b"?" + query if query else raw_path

    def _plain(self, path: bytes) -> App | None:
        return next((app for prefix, app in self._by_prefix if _is_inside(path, prefix)), None)


def _is_inside(path: bytes, prefix: bytes) -> bool:
    """Whether ``path`` starts with the whole segments of ``prefix``."""
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/")


def _decodings(path: bytes) -> Iterable[bytes]:
    """``path``, and what percent-decoding makes of it, again and again until nothing changes."""
    yield path
    for _ in range(_MOST_DECODINGS):
        decoded = unquote_to_bytes(path)
        if decoded == path:
            return
        yield decoded
        path = decoded
    raise Malformed("The path is encoded too many times over")


def _climbs(path: bytes) -> bool:
    segments = path.replace(b"\\", b"/").split(b"/")
    return any(segment.partition(b";")[0].strip(b" \t\0") == b".." for segment in segments)
