"""``GET /auth/login`` and ``GET /auth/callback``: from a browser nobody knows to a session with a cookie.

A log-in always makes a new token, and ends the session this browser had. A page elsewhere cannot force one on somebody
who is signed in: only a page of this hub may ask for ``prompt=login``.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from hub.api.auth import views
from hub.api.auth.deps import AuthDeps
from hub.api.auth.handover import send_to_the_hub
from hub.api.auth.redirects import redirect
from hub.api.edge import request_id_of
from hub.errors import HubError, Unauthenticated
from hub.identity.oidc import PROMPTS, Finished
from hub.identity.origins import SAME_ORIGIN
from hub.identity.return_to import safe_return_to
from hub.identity.transactions import LogInFailed
from hub.telemetry.security import SecurityEvent, note


class LogInHandlers:
    """Both handlers answer with a redirect or a page, never with a problem: a person is looking."""

    def __init__(self, deps: AuthDeps) -> None:
        self._deps = deps

    async def login(self, request: Request) -> Response:
        """Begin: 302 to the provider; 303 to ``return_to`` if there is a live session already."""
        return_to = safe_return_to(request.query_params.get("return_to"))
        try:
            return await self._begin(request, return_to)
        except HubError as error:
            return views.failed(error, return_to)

    async def callback(self, request: Request) -> Response:
        """Finish: a new session, its cookie, and 303 to where the user wanted to go."""
        try:
            self._deps.limit_log_ins(request)
            self._deps.check_open()
            finished = await self._deps.oidc.finish(
                request.query_params.multi_items(),
                request.headers.getlist("cookie"),
                request.headers.get("user-agent", ""),
                door_url=self._deps.door_of(request).url,
            )
        except HubError as error:
            self._deps.log_in_failed(request, error, "callback")
            return views.failed(error, "/")
        try:
            return await self._open(request, finished)
        except Unauthenticated as refusal:
            self._deps.log_in_failed(request, refusal, "callback")
            return views.failed(LogInFailed("You were signed out everywhere while you signed in."), finished.return_to)
        except HubError as error:
            return views.failed(error, finished.return_to)

    async def _begin(self, request: Request, return_to: str) -> Response:
        deps, wanted = self._deps, request.query_params
        deps.limit_log_ins(request)
        prompt = wanted.get("prompt")
        is_again = prompt == "login" and self._is_from_here(request)
        if not is_again and await deps.visitor(request) is not None:
            return redirect(return_to, 303)
        door = deps.door_of(request)
        if door.app is not None:
            return send_to_the_hub(request, deps, door, return_to)
        deps.check_open()
        provider = wanted.get("provider")
        if provider is None:
            names = deps.oidc.providers
            if len(names) > 1:
                return views.choose(names, return_to, {"prompt": prompt} if prompt in PROMPTS else {})
            provider = names[0] if names else ""
        begun = await deps.oidc.begin(provider, return_to, request.headers.getlist("cookie"), prompt, door_url=door.url)
        return redirect(begun.location, 302, *begun.set_cookies)

    def _is_from_here(self, request: Request) -> bool:
        """Whether a page of this hub led here: the browser says so, or the page's address does."""
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site == SAME_ORIGIN
        came_from = request.headers.get("origin") or request.headers.get("referer", "")
        try:
            parts = urlsplit(came_from)
        except ValueError:
            return False
        return f"{parts.scheme}://{parts.netloc}" == self._deps.door_of(request).url

    async def _open(self, request: Request, finished: Finished) -> Response:
        deps, request_id = self._deps, request_id_of(request.scope)
        before = await deps.visitor(request)
        if before is not None and before.sid is not None:
            await deps.sessions.end(before, before.sid, detail="a new log-in", request_id=request_id)
        proof = finished.proof
        door = deps.door_of(request).name
        session, token = await deps.sessions.open(
            log_in=proof.log_in,
            verifier_for=lambda sid: deps.tokens.new(sid, door),
            identity=proof.identity,
            request_id=request_id,
            id_token=proof.id_token,
        )
        said = {"sid": session.sid, "provider": proof.log_in.provider}
        note(SecurityEvent.AUTHN_LOGIN_SUCCESS, address=deps.address_of(request.scope), purpose="callback", **said)
        gone = deps.cookies.clear_transaction(finished.transaction.number)
        return redirect(finished.return_to, 303, deps.cookies.set_session(token), gone)
