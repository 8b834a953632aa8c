"""``POST /auth/logout`` and ``GET /auth/signed-out``: the way out, and the page one ends up at.

A log-out works once asked for: during an outage of the store it answers 503 and still takes the cookie away.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.api import reading
from hub.api.auth import views
from hub.api.auth.deps import AuthDeps
from hub.api.edge import request_id_of
from hub.api.pages import Form
from hub.api.problems import problem
from hub.core.principal import Principal
from hub.core.session import Session
from hub.errors import CsrfRefused, Forbidden, HubError, OwnSessionEnded, Unauthenticated, Unavailable
from hub.identity.csrf import FormProofs
from hub.identity.doors import Door
from hub.identity.oidc import SIGNED_OUT_PATH
from hub.identity.return_to import safe_return_to

FORM = "application/x-www-form-urlencoded"
MAX_FORM_BYTES = 4096


class LogOutHandlers:
    """The two handlers."""

    def __init__(self, deps: AuthDeps) -> None:
        self._deps = deps

    async def logout(self, request: Request) -> Response:
        """End this session, or all of the user's: 204, or for a form 303 to the provider's end-session."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_form = kind == FORM
        fields = await _fields(request) if is_form else {}
        over: Session | None = None
        try:
            if is_form:
                self._check_form_noting(request, fields)
            principal = await self._deps.caller(request, "form" if is_form else "api")
            over = await self._end(request, principal, is_everywhere(request, fields))
        except OwnSessionEnded:
            pass  # what was asked for is so already
        except Unavailable as error:
            return self._gone(request, problem(error, request_id_of(request.scope)))
        if is_form:
            return self._gone(request, RedirectResponse(await self._where_to(request, over), HTTPStatus.SEE_OTHER))
        return self._gone(request, Response(status_code=HTTPStatus.NO_CONTENT))

    async def signed_out(self, request: Request) -> Response:
        """Why the session is over, and the way back in. Public: it tells nothing that its address does not."""
        reason = request.query_params.get("reason", "")
        return_to = safe_return_to(request.query_params.get("return_to"))
        try:
            visitor = await self._deps.visitor(request)
        except HubError:
            visitor = None
        if visitor is None or visitor.session is None:
            return views.signed_out(reason, return_to)
        targets = await self._deps.oidc.end_session_origins(visitor.session.log_in.provider)
        form = Form("Sign out", views.LOGOUT_PATH, {FormProofs.FIELD: self._deps.proofs.proof(self._token(request))})
        return views.signed_out(reason, return_to, user=_name(visitor), form=form, form_targets=targets)

    def _token(self, request: Request) -> str:
        return self._deps.cookies.session_token(request.headers.getlist("cookie")) or ""

    def _check_form_noting(self, request: Request, fields: dict[str, str]) -> None:
        """``_check_form``, with a refusal in the security log."""
        try:
            self._check_form(request, fields)
        except CsrfRefused as refusal:
            self._deps.authenticator.refused(self._deps.credentials(request, "form"), refusal)
            raise

    def _check_form(self, request: Request, fields: dict[str, str]) -> None:
        """A form proves itself with the field its page was given; it always rests on the cookie."""
        if "authorization" in request.headers:
            raise CsrfRefused("A form is sent with the cookie, not with Authorization")
        token = self._token(request)
        if not token:
            raise Unauthenticated("No credential came with this request")
        self._deps.proofs.check(fields.get(FormProofs.FIELD, ""), token)

    async def _end(self, request: Request, principal: Principal, everywhere: bool) -> Session:
        """End what was asked for; the session as it was before."""
        session, request_id = principal.session, request_id_of(request.scope)
        if principal.kind != "user" or session is None:
            raise Forbidden("Only a user can log out")
        if everywhere:
            await self._deps.sessions.end_user(
                principal, session.log_in.issuer, session.user, detail="everywhere", request_id=request_id
            )
        else:
            await self._deps.sessions.end(principal, session.sid, request_id=request_id)
        return session

    async def _where_to(self, request: Request, over: Session | None) -> str:
        url = await self._at_provider(request, over) if over else None
        return url or f"{SIGNED_OUT_PATH}?reason=logged_out"

    async def _at_provider(self, request: Request, session: Session) -> str | None:
        """Where this session is ended at its provider too."""
        return await self._deps.oidc.end_session_url(
            session.log_in.provider,
            door_url=self._back_at(request).url,
            id_token=self._deps.sessions.id_token_of(session),
        )

    def _back_at(self, request: Request) -> Door:
        """Where the provider sends the browser back to: it knows the hub's own doors, and not every app's host."""
        door = self._deps.door_of(request)
        return door if door.app is None else self._deps.doors.public

    def _gone(self, request: Request, response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        if "authorization" not in request.headers:  # with it, the cookie was not looked at
            if self._deps.clear_site_data:
                response.headers["Clear-Site-Data"] = self._deps.clear_site_data
            response.headers.append("Set-Cookie", self._deps.cookies.clear_session())
        return response


def is_everywhere(request: Request, fields: dict[str, str]) -> bool:
    """``everywhere=1``, in the query or among a form's fields."""
    return "1" in (request.query_params.get("everywhere"), fields.get("everywhere"))


async def _fields(request: Request) -> dict[str, str]:
    body = await reading.body_of(request, MAX_FORM_BYTES)
    return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))


def _name(visitor: Principal) -> str:
    identity = visitor.session.document.get("identity") if visitor.session else None
    name = identity.get("name") if isinstance(identity, dict) else None
    return name if isinstance(name, str) and name else visitor.name
