"""A session as the store holds it: one log-in of one user, from *open* to *end*."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hub.core.json import Object
from hub.core.position import Position
from hub.core.times import rfc3339

EndReason: TypeAlias = Literal["revoked", "logged_out", "expired", "idle", "replaced"]

_SID = re.compile(r"[0-9a-f]{16}-[A-Za-z0-9_-]{22}")
USER_TAG_DIGITS = 16


def is_sid(text: str) -> bool:
    """Whether ``text`` has the form of a session's public id. Checked before any key is made of it."""
    return _SID.fullmatch(text) is not None


def user_tag(sid: str) -> str:
    """The part of a sid that all sessions of one user share."""
    return sid[:USER_TAG_DIGITS]


@dataclass(frozen=True, slots=True)
class Ending:
    """Why and when a session ended, and by whom. ``at_ms`` is the store's time."""

    reason: EndReason
    at_ms: int
    detail: str = ""
    actor: str = ""
    request_id: str = ""

    def to_facts(self) -> dict[str, str]:
        """What a refusal says of it: ``reason``, ``ended_at``, and in words what was ``said``."""
        return {"said": self.detail, "reason": self.reason, "ended_at": rfc3339(self.at_ms)}


@dataclass(frozen=True, slots=True)
class LogIn:
    """What an identity provider said, fixed when the session was opened.

    ``provider`` is its name in the configuration; ``auth_time`` and ``began_ms`` say when the user proved who
    they are and when this log-in began (seconds and milliseconds since the epoch).
    """

    provider: str
    issuer: str
    user: str
    auth_time: int
    began_ms: int
    idp_sid: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One session at one moment. Times are milliseconds since the epoch, by the store's clock.

    ``document`` is empty once the session is over. ``data_key``, ``verifier`` and ``hint`` never leave the hub.
    """

    sid: str
    log_in: LogIn
    position: Position
    document: Object
    created_ms: int
    expires_ms: int
    idle_expires_ms: int
    chain: bytes = field(repr=False)
    verifier: bytes = field(repr=False)
    data_key: bytes = field(repr=False)
    ending: Ending | None = None
    is_closed: bool = False  # its last history entry is written
    hint: bytes = field(default=b"", repr=False)  # the provider's ID token, sealed; nothing once it is over

    @property
    def user(self) -> str:
        """The IdP's ``sub``."""
        return self.log_in.user

    @property
    def deadline_ms(self) -> int:
        """When it ends by itself: the nearer of the idle and the absolute deadline."""
        return min(self.expires_ms, self.idle_expires_ms)

    def due(self, now_ms: int) -> EndReason | None:
        """The reason a deadline has for ending it at ``now_ms``, if one has passed."""
        if now_ms >= self.expires_ms:
            return "expired"
        return "idle" if now_ms >= self.idle_expires_ms else None
