"""Ending a session here, and telling the client about it (RP-Initiated Logout 1.0, Back-Channel Logout 1.0)."""

import logging
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from shared.web import BadForm, read_form

from idp import views
from idp.cookie import SessionCookie, is_own_origin
from idp.provider import BrowserSession, Provider

BACKCHANNEL_TIMEOUT_SECONDS = 3.0
_log = logging.getLogger("idp")


async def tell_client(provider: Provider, session: BrowserSession) -> None:
    """POST a logout token to the client's back channel. A client that does not answer hinders nobody."""
    uri = provider.client.backchannel_uri
    if uri is None:
        return
    try:
        async with httpx.AsyncClient(timeout=BACKCHANNEL_TIMEOUT_SECONDS, trust_env=False) as http:
            answer = await http.post(uri, data={"logout_token": provider.logout_token(session)})
        if answer.status_code not in (200, 204):
            _log.warning("the client's back channel answered %s", answer.status_code)
    except httpx.HTTPError as error:
        _log.warning("the client's back channel cannot be reached: %s", error)


def sign_out_routes(provider: Provider, cookie: SessionCookie) -> APIRouter:
    """``/end_session`` by GET and POST, and the provider's front page with its own button."""
    router = APIRouter()

    def return_uri(values: Mapping[str, str]) -> str:
        """The checked address to go to afterwards, with ``state``; empty when there is none to trust."""
        uri = values.get("post_logout_redirect_uri", "")
        if uri not in provider.client.post_logout_uris:
            return ""
        if not values.get("state"):
            return uri
        parts = urlsplit(uri)
        added = urlencode({"state": values["state"]})
        return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))

    async def end(request: Request, going_to: str) -> Response:
        session = provider.sessions.take(cookie.read(request))
        if session is not None:
            await tell_client(provider, session)
        response: Response
        if going_to:
            response = RedirectResponse(going_to, status_code=303)
        else:
            response = views.message("You are signed out", "The provider and the apps that used it have let you go.")
        cookie.clear(response)
        return response

    async def consider(values: Mapping[str, str], request: Request) -> Response:
        session = provider.sessions.get(cookie.read(request))
        hint = provider.key.read_hint(values.get("id_token_hint", ""), issuer=provider.issuer)
        proven = hint is not None and hint.get("aud") == provider.client.client_id
        if session is None or (proven and hint is not None and hint.get("sid") == session.sid):
            return await end(request, return_uri(values))
        return views.confirm_sign_out(
            session=session, uri=values.get("post_logout_redirect_uri", ""), state=values.get("state", "")
        )

    @router.get("/")
    async def front_page(request: Request) -> Response:
        return views.home(provider.sessions.get(cookie.read(request)))

    @router.get("/end_session")
    async def end_session(request: Request) -> Response:
        return await consider(request.query_params, request)

    @router.post("/end_session")
    async def end_session_by_post(request: Request) -> Response:
        try:
            return await consider(dict(await read_form(request)), request)
        except BadForm as problem:
            return views.message("That did not work", str(problem), status=400)

    @router.post("/end_session/confirmed")
    async def confirmed(request: Request) -> Response:
        if not is_own_origin(request, provider.issuer):
            return views.message("That did not work", "The form was sent from another site.", status=403)
        try:
            return await end(request, return_uri(dict(await read_form(request))))
        except BadForm as problem:
            return views.message("That did not work", str(problem), status=400)

    return router
