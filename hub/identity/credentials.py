"""What a request shows of who is calling: header values only, taken from it once, before anything is decided."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hub.errors import Unauthenticated

Purpose: TypeAlias = Literal["api", "socket", "stream", "proxy", "form", "page"]
"""What the caller is about to do, which decides what a cookie needs beside it:

``api`` all CSRF rules · ``socket`` and ``stream`` a live connection · ``proxy`` on to an app (its Origin rule) ·
``form`` a hub page's form (Origin here, the HMAC field where the form is read) · ``page`` a navigation, which does
nothing.
"""

_BEARER = re.compile(r"bearer +([!-~]+) *", re.IGNORECASE)
_OWN_BEARER = re.compile(r"bearer +hub_.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """One request, as far as identity is concerned. ``address`` is the caller's, ``X-Forwarded-For`` already judged."""

    method: str
    purpose: Purpose
    address: str
    authorization: tuple[str, ...] = field(default=(), repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)
    host: str = ""
    origin: str | None = None
    sec_fetch_site: str | None = None
    csrf_header: str | None = None
    content_type: str | None = None
    has_body: bool = False
    is_upgrade: bool = False
    app_origins: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        method: str,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        purpose: Purpose,
        address: str,
        app_origins: Iterable[str] = (),
    ) -> Credentials:
        """Read them from raw ASGI headers. A header that came twice is joined, so that no rule accepts it."""
        values: dict[str, list[str]] = {}
        for name, value in headers:
            values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

        def one(name: str) -> str | None:
            return ", ".join(values[name]) if name in values else None

        return cls(
            method=method.upper(),
            purpose=purpose,
            address=address,
            authorization=tuple(values.get("authorization", ())),
            cookies=tuple(values.get("cookie", ())),
            host=one("host") or "",
            origin=one("origin"),
            sec_fetch_site=one("sec-fetch-site"),
            csrf_header=one("x-hub-csrf"),
            content_type=one("content-type"),
            has_body="transfer-encoding" in values or (one("content-length") or "0") != "0",
            is_upgrade="upgrade" in values,
            app_origins=frozenset(app_origins),
        )

    @property
    def bearer(self) -> str | None:
        """The bearer token; ``None`` if there is no ``Authorization``. Raises ``Unauthenticated`` for another scheme.

        On the way to an app, an ``Authorization`` that is not the hub's is that app's own matter.
        """
        if self.purpose == "proxy" and not any(_OWN_BEARER.fullmatch(value) for value in self.authorization):
            return None
        if not self.authorization:
            return None
        match = _BEARER.fullmatch(self.authorization[0]) if len(self.authorization) == 1 else None
        if match is None:
            raise Unauthenticated("Authorization has to be one bearer token")
        return match[1]
