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
        trusted = httpx.create_ssl_context()  # SSL_CERT_FILE, where a private authority vouches for the hub
        async with httpx.AsyncClient(verify=trusted, timeout=BACKCHANNEL_TIMEOUT_SECONDS, trust_env=False) as http:
            answer = await http.post(uri, data={"logout_token": provider.logout_token(session)})
        if answer.status_code not in (200, 204):
            _log.warning("the client's back channel answered %s", answer.status_code)
    except httpx.HTTPError as error:
        _log.warning("the client's back channel cannot be reached: %s", error)


class SignOut:
    """``/end_session`` by GET and POST, and the provider's front page with its own button."""

    def __init__(self, provider: Provider, cookie: SessionCookie) -> None:
        self._provider, self._cookie = provider, cookie

    def routes(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/", self.front_page, methods=["GET"])
        router.add_api_route("/end_session", self.end_session, methods=["GET"])
        router.add_api_route("/end_session", self.end_session_by_post, methods=["POST"])
        router.add_api_route("/end_session/confirmed", self.confirmed, methods=["POST"])
        return router

    async def front_page(self, request: Request) -> Response:
        return views.home(self._provider.sessions.get(self._cookie.read(request)))

    async def end_session(self, request: Request) -> Response:
        return await self._consider(request.query_params, request)

    async def end_session_by_post(self, request: Request) -> Response:
        try:
            return await self._consider(dict(await read_form(request)), request)
        except BadForm as problem:
            return views.message("That did not work", str(problem), status=400)

    async def confirmed(self, request: Request) -> Response:
        if not is_own_origin(request, self._provider.issuer):
            return views.message("That did not work", "The form was sent from another site.", status=403)
        try:
            return await self._end(request, self._return_uri(dict(await read_form(request))))
        except BadForm as problem:
            return views.message("That did not work", str(problem), status=400)

    async def _consider(self, values: Mapping[str, str], request: Request) -> Response:
        session = self._provider.sessions.get(self._cookie.read(request))
        if session is None or self._proves(values.get("id_token_hint", ""), session):
            return await self._end(request, self._return_uri(values))
        uri, state = values.get("post_logout_redirect_uri", ""), values.get("state", "")
        return views.confirm_sign_out(session=session, uri=uri, state=state)

    def _proves(self, hint: str, session: BrowserSession) -> bool:
        """Whether the hint is an ID token of this very session, made for the client."""
        claims = self._provider.key.read_hint(hint, issuer=self._provider.issuer) or {}
        return (claims.get("aud"), claims.get("sid")) == (self._provider.client.client_id, session.sid)

    def _return_uri(self, values: Mapping[str, str]) -> str:
        """The checked address to go to afterwards, with ``state``; empty when there is none to trust."""
        uri = values.get("post_logout_redirect_uri", "")
        if uri not in self._provider.client.post_logout_uris:
            return ""
        if not values.get("state"):
            return uri
        parts = urlsplit(uri)
        added = urlencode({"state": values["state"]})
        return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))

    async def _end(self, request: Request, going_to: str) -> Response:
        session = self._provider.sessions.take(self._cookie.read(request))
        if session is not None:
            await tell_client(self._provider, session)
        response: Response
        if going_to:
            response = RedirectResponse(going_to, status_code=303)
        else:
            response = views.message("You are signed out", "Apps that asked to hear of it have been told.")
        self._cookie.clear(response)
        return response
