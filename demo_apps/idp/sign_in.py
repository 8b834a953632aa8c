"""The authorization endpoint: check the request, ask who to be unless that is known, answer with a code.

The waiting request stays on the provider's shelf; the page carries only its key, so nothing in it can be altered.
"""

from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from shared.web import BadForm, read_form

from idp import views
from idp.cookie import SessionCookie, is_own_origin
from idp.people import PEOPLE
from idp.provider import Provider
from idp.requests import AuthorizationError, UntrustedRequest, parse_authorization


def sign_in_routes(provider: Provider, cookie: SessionCookie) -> APIRouter:
    """``/authorize`` (GET and POST, Core §3.1.2.1) and the page's own form target."""
    router = APIRouter()

    def consider(pairs: list[tuple[str, str]], request: Request) -> Response:
        try:
            asked = parse_authorization(pairs, provider.client)
        except UntrustedRequest as refusal:
            return views.message("This request cannot be trusted", str(refusal), status=400)
        except AuthorizationError as refusal:
            answer = {"error": refusal.code, "error_description": refusal.description, "state": refusal.state}
            return RedirectResponse(provider.redirect(refusal.redirect_uri, answer), status_code=303)
        session = provider.sessions.get(cookie.read(request))
        if session is not None and provider.may_pass(asked, session):
            return RedirectResponse(provider.answer(asked, session), status_code=303)
        if "none" in asked.prompt:
            answer = {"error": "login_required", "state": asked.state}
            return RedirectResponse(provider.redirect(asked.redirect_uri, answer), status_code=303)
        return views.choose(
            transaction=provider.requests.put(asked),
            going_to=urlsplit(asked.redirect_uri).netloc,
            suggested=asked.login_hint or (session.person.sub if session else "ada"),
        )

    @router.get("/authorize")
    async def authorize(request: Request) -> Response:
        return consider(request.query_params.multi_items(), request)

    @router.post("/authorize")
    async def authorize_by_post(request: Request) -> Response:
        try:
            return consider(await read_form(request), request)
        except BadForm as problem:
            return views.message("That did not work", str(problem), status=400)

    @router.post("/authorize/choice")
    async def choice(request: Request) -> Response:
        if not is_own_origin(request, provider.issuer):
            return views.message("That did not work", "The form was sent from another site.", status=403)
        try:
            form = dict(await read_form(request))
        except BadForm as problem:
            return views.message("That did not work", str(problem), status=400)
        person = PEOPLE.get(form.get("person", ""))
        if person is None:
            return views.message("That did not work", "There is nobody of that name here.", status=400)
        asked = provider.requests.take(form.get("transaction"))
        if asked is None:
            return views.message(
                "This page is too old", "Go back to the app and sign in from there once more.", status=400
            )
        value, session = provider.sign_in(person, cookie.read(request))
        response = RedirectResponse(provider.answer(asked, session), status_code=303)
        cookie.write(response, value)
        return response

    return router
