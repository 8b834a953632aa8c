"""What the gateway is told about apps, and what it asks of others. The composition root provides all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hub.core.access import Grants
from hub.core.json import Object
from hub.core.position import Position
from hub.core.principal import Principal
from hub.core.session import Session
from hub.identity.credentials import Credentials


@dataclass(frozen=True, slots=True)
class App:
    """An application behind the gateway, as configured. Exactly one of ``prefix`` and ``host`` is set.

    ``upstream`` is an origin (``http://127.0.0.1:9001``), ``prefix`` whole path segments without a slash at the end,
    ``host`` what browsers send as ``Host``, ``origins`` further origins whose pages may act for this app,
    ``verify_key_sha256`` hashes (hex) of the keys that another proxy may ask with.
    """

    name: str
    upstream: str
    prefix: str | None = None
    host: str | None = None
    grants: Grants = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    anonymous: bool = False
    verify_key_sha256: frozenset[str] = frozenset()


class Authenticate(Protocol):
    """Who is calling; the Origin rule for cookies included (``purpose="proxy"``). Raises ``HubError``."""

    async def __call__(self, request: Credentials, /) -> Principal: ...


class Signer(Protocol):
    """Signs context tokens, and keeps each until half of its life is over."""

    def sign(
        self, *, sid: str, user: str, position: Position, app: str, grants: Grants, document: Object | None = None
    ) -> str: ...


class Touch(Protocol):
    """Slides the idle deadline of a session; never fails because of the store."""

    async def __call__(self, session: Session, /) -> None: ...


class Follow(Protocol):
    """Returns as soon as nothing may rest on the session any more, with the close code to cut with.

    4500: it is over, also if it was over before this was called (subscribe first, then read). 4001: the store could
    not be asked for a minute. Cancelled when it is no longer of interest.
    """

    async def __call__(self, session: Session, /) -> int: ...


class Page(Protocol):
    """A page of the hub for a person: ``body`` is HTML for the inside. Returns the bytes and their headers.

    With ``retry_seconds`` the page asks for itself again after that time.
    """

    def __call__(
        self, status: int, title: str, body: str, retry_seconds: int | None = None, /
    ) -> tuple[bytes, Mapping[str, str]]: ...


@dataclass(frozen=True, slots=True)
class Timings:
    """How long an upstream may take, in seconds, and when a long exchange begins to be watched."""

    connect: float = 2.0
    first_byte: float = 30.0
    stalled_write: float = 30.0
    idle_connection: float = 30.0
    watch_after: float = 0.5
