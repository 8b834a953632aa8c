"""Sessions: ``/v1/sessions…`` and ``/v1/users/{user}/sessions``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from hub.api import answers, reading
from hub.api.callers import Callers, user_or_operator, who_may_list
from hub.api.edge import request_id_of
from hub.core.json import Object, loads
from hub.core.principal import Principal
from hub.core.session import Session
from hub.core.times import rfc3339
from hub.errors import Malformed, NotFound
from hub.sessions.sessions import Sessions

PAGE, LARGEST_PAGE = 50, 500
LONGEST_DETAIL = 500


class BearerLogIn(Protocol):
    """Opens sessions for native clients."""

    async def open(self, request: Request) -> tuple[Session, str]:
        """Check the IdP token of a request and open a session: the session and its token."""


class SessionHandlers:
    """Handlers. ``issuers`` are the configured identity providers by name."""

    def __init__(
        self,
        sessions: Sessions,
        callers: Callers,
        log_in: BearerLogIn,
        issuers: Mapping[str, str],
    ) -> None:
        self._sessions, self._callers = sessions, callers
        self._log_in, self._issuers = log_in, issuers

    async def open(self, request: Request) -> Response:
        """``POST /v1/sessions``."""
        session, token = await self._log_in.open(request)
        facts: Object = {
            "sid": session.sid,
            "token": token,
            "user": session.user,
            "position": str(session.position),
            "expires_at": rfc3339(session.expires_ms),
            "idle_expires_at": rfc3339(session.idle_expires_ms),
        }
        return answers.json(facts, 201, {"Location": f"/v1/sessions/{session.sid}"})

    async def show(self, request: Request) -> Response:
        """``GET /v1/sessions/{sid}``."""
        sid = request.path_params["sid"]
        principal = await user_or_operator(self._callers, request.scope, sid)
        session = await self._sessions.record(principal, sid)
        return answers.json((await self._described([session]))[0])

    async def end(self, request: Request) -> Response:
        """``DELETE /v1/sessions/{sid}``."""
        sid = request.path_params["sid"]
        principal = await user_or_operator(self._callers, request.scope, sid)
        ended = await self._sessions.end(
            principal, sid, detail=await _detail(request), request_id=request_id_of(request.scope)
        )
        return answers.nothing(headers={"X-Hub-Confirmed": ended.confirmed})

    async def list_all(self, request: Request) -> Response:
        """``GET /v1/sessions``."""
        await who_may_list(self._callers, request.scope)
        most = reading.limit(request, PAGE, LARGEST_PAGE)
        user, app = request.query_params.get("user"), request.query_params.get("app")
        if user is not None:
            found, following = await self._sessions.of_user(self._issuer(request), user), None
        else:
            found, following = await self._sessions.page(request.query_params.get("cursor"), most)
        described = await self._described(found, app)
        return answers.json({"sessions": described} | ({"next": following} if following else {}))

    async def of_user(self, request: Request) -> Response:
        """``GET /v1/users/{user}/sessions``."""
        principal, issuer, user = await self._user(request)
        if principal.app is not None or not _is_own(principal, issuer, user):
            await who_may_list(self._callers, request.scope)
        found = await self._sessions.of_user(issuer, user)
        return answers.json({"sessions": await self._described(found)})

    async def end_user(self, request: Request) -> Response:
        """``DELETE /v1/users/{user}/sessions``."""
        principal, issuer, user = await self._user(request)
        if principal.kind == "user" and not _is_own(principal, issuer, user):
            principal = self._callers.operator_of(principal, request.scope) or principal
        ended = await self._sessions.end_user(
            principal,
            issuer,
            user,
            spared=request.query_params.get("except"),
            detail=await _detail(request),
            request_id=request_id_of(request.scope),
        )
        return answers.json({"ended": ended.count}, headers={"X-Hub-Confirmed": ended.confirmed})

    async def _user(self, request: Request) -> tuple[Principal, str, str]:
        """Caller, issuer and user of a ``/v1/users/{user}`` route."""
        principal, user = await self._callers.identify(request.scope), request.path_params["user"]
        if user != "me":
            own = principal.session
            if own is not None and own.user == user and "provider" not in request.query_params:
                return principal, own.log_in.issuer, user
            return principal, self._issuer(request), user
        if principal.session is None:
            raise NotFound("This caller is no user")
        return principal, principal.session.log_in.issuer, principal.session.user

    def _issuer(self, request: Request) -> str:
        provider = request.query_params.get("provider")
        if provider is None and len(self._issuers) == 1:
            return next(iter(self._issuers.values()))
        if provider is None or provider not in self._issuers:
            raise Malformed(f"provider is one of {', '.join(sorted(self._issuers))}")
        return self._issuers[provider]

    async def _described(self, sessions: Sequence[Session], app: str | None = None) -> list[Object]:
        """The sessions with their connections counted; only those that ``app`` is connected to, if given."""
        connected = await asyncio.gather(*(self._sessions.connections(each.sid) for each in sessions))
        return [
            answers.session(session, len(connections))
            for session, connections in zip(sessions, connected, strict=True)
            if app is None or any(each["app"] == app for each in connections)
        ]


def _is_own(principal: Principal, issuer: str, user: str) -> bool:
    """Whether the caller is this user: a ``sub`` means somebody else at another issuer."""
    own = principal.session
    return own is not None and (own.log_in.issuer, own.user) == (issuer, user)


async def _detail(request: Request) -> str:
    """The reason in words that may come with an end."""
    raw = await reading.body_of(request)
    if not raw:
        return ""
    reading.media_type(request, ["application/json"])
    value = loads(raw)
    detail = value.get("detail", "") if isinstance(value, dict) else None
    if not isinstance(detail, str) or len(detail) > LONGEST_DETAIL:
        raise Malformed(f"detail is a text of at most {LONGEST_DETAIL} characters")
    return detail
