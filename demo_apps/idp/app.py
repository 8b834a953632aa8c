"""The provider, put together: one object of memory, three groups of routes."""

from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI
from shared.web import content_policy, make_app

from idp.clients import Client
from idp.cookie import SessionCookie
from idp.keys import SigningKey
from idp.provider import Provider
from idp.sign_in import SignIn
from idp.sign_out import SignOut
from idp.tokens import token_routes

STATIC = Path(__file__).parent / "static"


def create_app(provider: Provider) -> FastAPI:
    """The ASGI app of this provider."""
    policy = content_policy(frame_ancestors="'none'", form_targets=provider.client.origins())
    app = make_app(policy=policy, prefix="", static=STATIC)
    cookie = SessionCookie(name=f"demo_idp_{urlsplit(provider.issuer).port or 443}")
    app.include_router(token_routes(provider))
    app.include_router(SignIn(provider, cookie).routes())
    app.include_router(SignOut(provider, cookie).routes())
    return app


def make_provider(issuer: str, client: Client) -> Provider:
    """A provider with a key of its own, made now."""
    return Provider(issuer=issuer, client=client, key=SigningKey())
