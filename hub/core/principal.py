"""Who is calling, once that is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hub.core.access import Grants, View
from hub.core.session import Session

Kind: TypeAlias = Literal["user", "app", "service", "operator"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller and what it may do.

    ``name`` is the user's ``sub``, the app's or the service's name. ``sid`` is the one session that a user or
    an app may touch (``None``: any). ``session`` is that session as it was read *after* the request came; apps
    and services carry none. ``via_cookie`` says that the browser sent the proof by itself (CSRF rules apply).
    """

    kind: Kind
    name: str
    grants: Grants
    sid: str | None = None
    session: Session | None = field(default=None, repr=False)
    may_list: bool = False
    may_end: bool = False
    via_cookie: bool = False
    until_ms: int | None = None  # by the store's clock: when the caller stops being that, if nothing else happens
    app: str | None = None  # the app whose host a cookie is bound to, if any

    @property
    def actor(self) -> str:
        """How history names this principal: ``user:ada``, ``app:a``, ``service:billing``."""
        return f"{self.kind}:{self.name}"

    @property
    def view(self) -> View:
        """What this principal sees."""
        return View.of(self.grants)

    @property
    def owns_its_session(self) -> bool:
        """Whether its end is the end of this principal too (401 and not 410)."""
        return self.kind in ("user", "app")
