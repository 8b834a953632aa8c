"""The gateway: one ASGI application in front of all apps.

For each request, in this order: which app, is it well-formed, who is calling, does it slide the idle timer, what of it
goes on, and then stream. Refusals are raised as ``HubError``; for a person's navigation they become pages here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from hub.core.session import Session
from hub.errors import (
    HubError,
    Maintenance,
    MethodNotAllowed,
    NotFound,
    OwnSessionEnded,
    Unauthenticated,
)
from hub.identity.cookies import Cookies
from hub.identity.credentials import Credentials
from hub.identity.csrf import SAFE_METHODS
from hub.proxy import headers, pages, visitor
from hub.proxy.connection import Head
from hub.proxy.forward import forward
from hub.proxy.forwarded import Peers
from hub.proxy.headers import Header
from hub.proxy.ports import App, Authenticate, Follow, Page, Signer, Timings, Touch
from hub.proxy.routing import Routes
from hub.proxy.upstream import Upstream

FROM_UPSTREAM = "hub.from_upstream"
"""Set in the scope when the answer is an app's own."""

ALLOWED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REFUSED_METHODS = frozenset({"TRACE", "CONNECT"})
STORE_LOST = 4001
