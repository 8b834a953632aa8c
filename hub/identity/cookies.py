"""The hub's own cookies: their names, how they are read from a request, and how they are set.

Over https every name has the prefix ``__Host-``, so a sibling host cannot plant one (RFC 6265bis §4.1.3.2). Plain http
exists on loopback only; browsers refuse the prefix there, hence the bare names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hub.errors import Unauthenticated

_SECURE_PREFIX = "__Host-"
_SESSION = "hub"
_TRANSACTION = "hub_tx_"


def pairs(headers: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and value of every cookie in the values of the ``Cookie`` header, in order."""
    for header in headers:
        for part in header.split(";"):
            name, equals, value = part.strip(" \t").partition("=")
            if equals:
                yield name.strip(" \t"), value.strip(" \t")


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies of one hub. ``secure`` is false only for plain http on loopback."""

    secure: bool

    @classmethod
    def of_url(cls, public_url: str) -> Cookies:
        """Those of a hub that browsers see at ``public_url``."""
        return cls(secure=public_url.startswith("https:"))

    @property
    def session(self) -> str:
        """The name of the cookie that carries the session token."""
        return f"{self._prefix}{_SESSION}"

    @property
    def transaction_prefix(self) -> str:
        """What the names of log-in transactions start with."""
        return f"{self._prefix}{_TRANSACTION}"

    @property
    def _prefix(self) -> str:
        return _SECURE_PREFIX if self.secure else ""

    def is_own(self, name: str) -> bool:
        """Whether an app must neither see nor set a cookie of this name. Browsers treat the prefix without case."""
        bare = name.lower().removeprefix(_SECURE_PREFIX.lower())
        return bare == _SESSION or bare.startswith(_TRANSACTION)

    def session_token(self, headers: Iterable[str]) -> str | None:
        """The session token that came. Raises ``Unauthenticated`` if two came: one of them was planted."""
        found = [value for name, value in pairs(headers) if name == self.session]
        if len(found) > 1:
            raise Unauthenticated("Two session cookies came in one request, so neither is believed")
        return found[0] if found and found[0] else None

    def transactions(self, headers: Iterable[str]) -> dict[str, str]:
        """The sealed log-in transactions that came, by the number in their name."""
        prefix = self.transaction_prefix
        return {name.removeprefix(prefix): value for name, value in pairs(headers) if name.startswith(prefix)}

    def set_session(self, token: str) -> str:
        """``Set-Cookie`` that gives the browser its session."""
        return self._set(self.session, token)

    def clear_session(self) -> str:
        """``Set-Cookie`` that takes it away."""
        return self._set(self.session, "", max_age=0)

    def set_transaction(self, number: str, sealed: str, seconds: int) -> str:
        """``Set-Cookie`` for a log-in on its way."""
        return self._set(f"{self.transaction_prefix}{number}", sealed, max_age=seconds)

    def clear_transaction(self, number: str) -> str:
        """``Set-Cookie`` for a log-in that is done with."""
        return self._set(f"{self.transaction_prefix}{number}", "", max_age=0)

    def _set(self, name: str, value: str, max_age: int | None = None) -> str:
        age = "" if max_age is None else f"; Max-Age={max_age}"
        secure = "; Secure" if self.secure else ""
        return f"{name}={value}{age}; Path=/{secure}; HttpOnly; SameSite=Lax"
