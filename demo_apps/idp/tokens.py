"""What programs ask the provider: discovery, keys, tokens, claims. Errors follow RFC 6749 and RFC 6750."""

from collections import Counter

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from shared.web import BadForm, read_form

from idp.clients import InvalidClient
from idp.keys import ALGORITHM
from idp.people import claims_of
from idp.provider import Provider, TokenError
from idp.requests import PROMPTS, SCOPES


def discovery(issuer: str) -> dict[str, object]:
    """The provider's metadata (OpenID Connect Discovery 1.0 §3)."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks.json",
        "end_session_endpoint": f"{issuer}/end_session",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "scopes_supported": list(SCOPES),
        "prompt_values_supported": list(PROMPTS),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": [
            *("iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "sid", "at_hash"),
            *("name", "given_name", "family_name", "locale", "email", "email_verified", "groups"),
        ],
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def _refusal(status: int, code: str, description: str, challenge: str | None = None) -> JSONResponse:
    headers = {"Pragma": "no-cache"} | ({"WWW-Authenticate": challenge} if challenge else {})
    return JSONResponse({"error": code, "error_description": description}, status_code=status, headers=headers)


def token_routes(provider: Provider) -> APIRouter:
    """Discovery, JWKS, ``/token`` and ``/userinfo``."""
    router = APIRouter()

    @router.get("/.well-known/openid-configuration")
    async def metadata() -> JSONResponse:
        return JSONResponse(discovery(provider.issuer))

    @router.get("/jwks.json")
    async def jwks() -> JSONResponse:
        return JSONResponse(provider.key.jwks())

    @router.post("/token")
    async def token(request: Request) -> JSONResponse:
        try:
            pairs = await read_form(request)
        except BadForm as problem:
            return _refusal(400, "invalid_request", str(problem))
        if any(count > 1 for count in Counter(name for name, _ in pairs).values()):
            return _refusal(400, "invalid_request", "A parameter is repeated.")
        form = dict(pairs)
        try:
            provider.client.authenticate(request.headers.get("authorization"), form)
            return JSONResponse(provider.redeem(form), headers={"Pragma": "no-cache"})
        except InvalidClient as problem:
            return _refusal(401, "invalid_client", str(problem), 'Basic realm="token"')
        except TokenError as problem:
            return _refusal(400, problem.code, problem.description)

    @router.api_route("/userinfo", methods=["GET", "POST"])
    async def userinfo(request: Request) -> JSONResponse:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return _refusal(401, "invalid_request", "Send the access token as a bearer.", "Bearer")
        grant = provider.access.get(value.strip())
        if grant is None:
            challenge = 'Bearer error="invalid_token"'
            return _refusal(401, "invalid_token", "The access token is unknown or too old.", challenge)
        return JSONResponse(claims_of(grant.session.person, grant.request.scope))

    return router
