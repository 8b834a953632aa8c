"""A hub's door with nothing behind it: the log-in routes over sessions in memory, and the demo provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from starlette.routing import Router

from hub.api.auth.deps import AuthDeps
from hub.api.auth.routes import auth_routes
from hub.api.edge import Edge
from hub.api.pages import asset_routes
from hub.api.routes import to_starlette
from hub.core.json import Object
from hub.core.ports import Ended
from hub.core.principal import Principal
from hub.core.session import Ending, LogIn, Session
from hub.errors import Maintenance, Unauthenticated
from hub.identity.authenticator import Allowed, Authenticator
from hub.identity.buckets import Buckets
from hub.identity.csrf import FormProofs
from hub.identity.doors import Doors
from hub.identity.handover import Handovers
from hub.identity.operators import Operators
from hub.identity.services import Services
from hub.identity.session_tokens import SessionTokens
from hub.identity.tokens import ContextSigner
from tests.identity.fakes import OnceInMemory
from tests.identity.oidc_case import PUBLIC_URL, OidcCase, oidc_case
from tests.identity.worlds import Clock, session, signing_key


@dataclass
class SessionsInMemory:
    """What ``hub.sessions`` promises, over a dict. ``is_down`` plays a store that does not answer."""

    clock: Clock
    kept: dict[str, Session] = field(default_factory=dict)
    acts: list[tuple[str, ...]] = field(default_factory=list)
    id_tokens: dict[str, str] = field(default_factory=dict)
    not_before_ms: int = 0
    is_down: bool = False

    async def read(self, sid: str, /) -> Session | None:
        if self.is_down:
            raise Maintenance
        return self.kept.get(sid)

    async def open(
        self,
        *,
        log_in: LogIn,
        verifier_for: Callable[[str], tuple[str, bytes]],
        identity: Object,
        request_id: str,
        id_token: str = "",
    ) -> tuple[Session, str]:
        if log_in.began_ms <= self.not_before_ms:
            raise Unauthenticated("This log-in began before the user was logged out everywhere")
        sid = f"0123456789abcdef-{len(self.kept):022d}"
        token, verifier = verifier_for(sid)
        opened = session(verifier, sid=sid, log_in=log_in, document={"identity": identity})
        self.kept[sid], self.id_tokens[sid] = opened, id_token
        self.acts.append(("open", sid, log_in.user))
        return opened, token

    def id_token_of(self, session: Session) -> str:
        return self.id_tokens[session.sid]

    async def end(self, principal: Principal, sid: str, *, detail: str = "", request_id: str = "") -> Ended:
        self.kept[sid] = replace(self.kept[sid], ending=Ending("logged_out", self.clock.now_ms()))
        self.acts.append(("end", sid))
        return Ended(1)

    async def end_user(
        self,
        principal: Principal,
        issuer: str,
        user: str,
        *,
        spared: str | None = None,
        detail: str = "",
        request_id: str = "",
    ) -> Ended:
        for sid in list(self.kept):
            await self.end(principal, sid)
        self.acts.append(("end_user", issuer, user))
        return Ended(len(self.kept))


@dataclass
class Door:
    """The running door, and a browser in front of it that keeps cookies and follows nothing by itself."""

    browser: httpx.AsyncClient
    case: OidcCase
    sessions: SessionsInMemory
    deps: AuthDeps

    async def log_in(self, person: str = "ada", **query: str) -> httpx.Response:
        """The whole way, up to the callback's answer."""
        begun = await self.browser.get("/auth/login", params=query)
        assert begun.status_code == 302, begun.text
        return await self.browser.get(await self.case.answer_of(begun.headers["location"], person))

    @property
    def token(self) -> str | None:
        return self.browser.cookies.get("hub")

    async def post(self, path: str = "/auth/logout", **more: Any) -> httpx.Response:
        """An unsafe call as the hub's own client makes it."""
        headers = {"Origin": PUBLIC_URL, "X-Hub-CSRF": "1", **more.pop("headers", {})}
        return await self.browser.post(path, headers=headers, **more)


def make_deps(case: OidcCase, sessions: SessionsInMemory, log_ins: int, clear_site_data: str) -> AuthDeps:
    tokens, doors = SessionTokens({"k": b"t" * 32}, "k"), Doors(PUBLIC_URL, None)

    def check_open() -> None:
        if sessions.is_down:
            raise Maintenance

    return AuthDeps(
        oidc=case.oidc,
        transactions=case.transactions,
        handovers=Handovers(OnceInMemory()),
        read=sessions.read,
        sessions=sessions,
        authenticator=Authenticator(
            read=sessions.read,
            tokens=tokens,
            contexts=ContextSigner([signing_key("c1")], PUBLIC_URL, case.clock),
            services=Services([]),
            operators=Operators({}, 3600, case.clock),
            cookies=case.cookies,
            doors=doors,
            allowed=Allowed(browser={}),
            failures=Buckets(0),
        ),
        tokens=tokens,
        cookies=case.cookies,
        proofs=FormProofs(b"f" * 32),
        log_ins=Buckets(log_ins, case.clock),
        address_of=lambda scope: scope["client"][0],
        check_open=check_open,
        doors=doors,
        clear_site_data=clear_site_data,
    )


@asynccontextmanager
async def open_door(log_ins: int = 0, clear_site_data: str = '"cache"') -> AsyncIterator[Door]:
    async with oidc_case() as case:
        sessions = SessionsInMemory(case.clock)
        deps = make_deps(case, sessions, log_ins, clear_site_data)
        app = Edge(Router(to_starlette([*auth_routes(deps), *asset_routes()])), {"localhost:8000"})
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as browser:
            yield Door(browser, case, sessions, deps)
