"""The authorization endpoint: check the request, ask who to be unless that is known, answer with a code.

The waiting request stays on the provider's shelf; the page carries only its key, so nothing in it can be altered.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from shared.web import BadForm, read_form

from idp import views
from idp.cookie import SessionCookie, is_own_origin
from idp.people import PEOPLE
from idp.provider import BrowserSession, Provider
from idp.requests import AuthorizationError, AuthorizationRequest, UntrustedRequest, parse_authorization


class SignIn:
    """``/authorize`` (GET and POST, Core §3.1.2.1) and the page's own form target."""

    def __init__(self, provider: Provider, cookie: SessionCookie) -> None:
        self._provider, self._cookie = provider, cookie

    def routes(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/authorize", self.authorize, methods=["GET"])
        router.add_api_route("/authorize", self.authorize_by_post, methods=["POST"])
        router.add_api_route("/authorize/choice", self.choice, methods=["POST"])
        return router

    async def authorize(self, request: Request) -> Response:
        return self._consider(request.query_params.multi_items(), request)

    async def authorize_by_post(self, request: Request) -> Response:
        try:
            return self._consider(await read_form(request), request)
        except BadForm as problem:
            return views.message("That did not work", str(problem), status=400)

    def _consider(self, pairs: list[tuple[str, str]], request: Request) -> Response:
        try:
            asked = parse_authorization(pairs, self._provider.client)
        except UntrustedRequest as refusal:
            return views.message("This request cannot be trusted", str(refusal), status=400)
        except AuthorizationError as refusal:
            answer = {"error": refusal.code, "error_description": refusal.description, "state": refusal.state}
            return self._back(refusal.redirect_uri, answer)
        session = self._provider.sessions.get(self._cookie.read(request))
        if session is not None and self._provider.may_pass(asked, session):
            return RedirectResponse(self._provider.answer(asked, session), status_code=303)
        if "none" in asked.prompt:
            return self._back(asked.redirect_uri, {"error": "login_required", "state": asked.state})
        return self._ask(asked, session)

    def _back(self, redirect_uri: str, answer: Mapping[str, str | None]) -> Response:
        return RedirectResponse(self._provider.redirect(redirect_uri, answer), status_code=303)

    def _ask(self, asked: AuthorizationRequest, session: BrowserSession | None) -> Response:
        return views.choose(
            transaction=self._provider.requests.put(asked),
            going_to=urlsplit(asked.redirect_uri).netloc,
            suggested=asked.login_hint or (session.person.sub if session else "ada"),
        )

    async def choice(self, request: Request) -> Response:
        if not is_own_origin(request, self._provider.issuer):
            return views.message("That did not work", "The form was sent from another site.", status=403)
        try:
            form = dict(await read_form(request))
        except BadForm as problem:
            return views.message("That did not work", str(problem), status=400)
        person = PEOPLE.get(form.get("person", ""))
        if person is None:
            return views.message("That did not work", "There is nobody of that name here.", status=400)
        asked = self._provider.requests.take(form.get("transaction"))
        if asked is None:
            text = "Go back to the app and sign in from there once more."
            return views.message("This page is too old", text, status=400)
        value, session = self._provider.sign_in(person, self._cookie.read(request))
        response = RedirectResponse(self._provider.answer(asked, session), status_code=303)
        self._cookie.write(response, value)
        return response
