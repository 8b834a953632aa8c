"""``POST /auth/backchannel``: a provider says, server to server, that a session of its own is over.

The answers are those of OpenID Connect Back-Channel Logout 1.0 §2.8: 200, or 400 with ``invalid_request``. Only
failures count against the limit of an address, so a provider that is right is never refused for being busy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from hub.api import answers, reading
from hub.api.edge import request_id_of
from hub.errors import HubError, RateLimited, Unavailable
from hub.identity.buckets import Buckets
from hub.identity.logout_tokens import LogoutTokens

log = logging.getLogger("hub.security")

FORM = "application/x-www-form-urlencoded"
MOST_FORM_BYTES = 32 * 1024


class EndAtProvider(Protocol):
    """The use case."""

    async def __call__(
        self, provider: str, issuer: str, *, idp_sid: str | None, user: str | None, request_id: str
    ) -> int: ...


class Backchannel:
    """The handler."""

    def __init__(
        self, tokens: LogoutTokens, end: EndAtProvider, failures: Buckets, address_of: Callable[[Scope], str]
    ) -> None:
        self._tokens, self._end = tokens, end
        self._failures, self._address_of = failures, address_of

    async def __call__(self, request: Request) -> Response:
        """End what the token says."""
        try:
            token = await _token(request)
            order = await self._tokens.check(token)
            ended = await self._end(
                order.provider,
                order.issuer,
                idp_sid=order.idp_sid,
                user=order.user,
                request_id=request_id_of(request.scope),
            )
            await self._tokens.done(order)
        except Unavailable:
            raise
        except HubError as refusal:
            return self._refused(request, refusal)
        log.info("session_logout_by_provider", extra={"provider": order.provider, "ended": ended})
        return answers.nothing(200)

    def _refused(self, request: Request, refusal: HubError) -> Response:
        address = self._address_of(request.scope)
        log.warning("logout_token_refused", extra={"address": address, "why": refusal.detail})
        if wait_seconds := self._failures.take(address):
            raise RateLimited("Too many bad logout tokens from this address", retry_after_seconds=wait_seconds)
        return answers.json({"error": "invalid_request", "error_description": refusal.detail}, 400)


async def _token(request: Request) -> str:
    reading.media_type(request, [FORM])
    body = await reading.body_of(request, MOST_FORM_BYTES)
    tokens = parse_qs(body.decode("latin-1"), max_num_fields=16).get("logout_token", [])
    return tokens[0] if len(tokens) == 1 else ""
