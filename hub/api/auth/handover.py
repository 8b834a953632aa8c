"""``GET /auth/handover`` and ``GET /auth/enter``: into an app that has a host of its own, signed in already.

The app's host sends the browser to the hub's own, which knows the session and sends it back with a one-time code; the
app's host then sets a cookie of its own, good for this session and this app only.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from hub.api.auth import views
from hub.api.auth.deps import AuthDeps
from hub.api.auth.redirects import redirect
from hub.errors import HubError, NotFound
from hub.identity.doors import Door
from hub.identity.handover import FROM_THE_HUB
from hub.identity.transactions import LogInFailed

HANDOVER_PATH = "/auth/handover"
ENTER_PATH = "/auth/enter"


def send_to_the_hub(request: Request, deps: AuthDeps, door: Door, return_to: str) -> Response:
    """From an app's host to the hub's own, to come back with a code."""
    cookies = request.headers.getlist("cookie")
    transaction, set_cookies = deps.transactions.begin(FROM_THE_HUB, return_to, door.url, cookies)
    query = urlencode({"app": door.app, "state": transaction.state})
    return redirect(f"{deps.doors.public.url}{HANDOVER_PATH}?{query}", 302, *set_cookies)


class HandoverHandlers:
    """Both handlers answer with a redirect or a page."""

    def __init__(self, deps: AuthDeps) -> None:
        self._deps = deps

    async def handover(self, request: Request) -> Response:
        """At the hub's own host: a code for the app, once the user is signed in here."""
        try:
            return await self._hand_over(request)
        except HubError as error:
            return views.failed(error, "/")

    async def enter(self, request: Request) -> Response:
        """At the app's host: the code becomes the cookie of this host."""
        try:
            return await self._enter(request)
        except HubError as error:
            self._deps.log_in_failed(request, error, "handover")
            return views.failed(error, "/")

    async def _hand_over(self, request: Request) -> Response:
        deps, app = self._deps, request.query_params.get("app", "")
        target = deps.doors.of_app(app)
        if target.app is None or deps.door_of(request) != deps.doors.public:
            raise NotFound("There is no app of this name on a host of its own")
        state = request.query_params.get("state", "")
        visitor = await deps.visitor(request)
        if visitor is None or visitor.sid is None:
            again = f"{HANDOVER_PATH}?{urlencode({'app': app, 'state': state})}"
            return redirect(views.login_href(again), 302)
        code = await deps.handovers.make(visitor.sid, app, state)
        return redirect(f"{target.url}{ENTER_PATH}?{urlencode({'code': code, 'state': state})}", 303)

    async def _enter(self, request: Request) -> Response:
        deps, door = self._deps, self._deps.door_of(request)
        if door.app is None:
            raise NotFound
        deps.limit_log_ins(request)
        transaction = deps.transactions.find(request.query_params.get("state", ""), request.headers.getlist("cookie"))
        if (transaction.provider, transaction.door_url) != (FROM_THE_HUB, door.url):
            raise LogInFailed("This way in was begun at another address of this hub.")
        await deps.transactions.spend(transaction)
        sid = await deps.handovers.take(request.query_params.get("code", ""), door.app, transaction)
        session = await deps.read(sid)
        token = None
        if session is not None and session.ending is None:
            token = deps.tokens.at_app(sid, session.verifier, door.name)
        if token is None:
            raise LogInFailed("Your session ended while you were on your way.")
        gone = deps.cookies.clear_transaction(transaction.number)
        return redirect(transaction.return_to, 303, deps.cookies.set_session(token), gone)
